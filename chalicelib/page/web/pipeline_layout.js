// Where the parts of the picture stand: side by side, or one above the other on a narrow screen.

/** Boxes by name: [x, y, width, height]. */
const WIDE = {
  size: [1318, 286],
  images: [4, 42, 132, 76],
  enqueue: [206, 46, 98, 68],
  source: [366, 22, 176, 116],
  drain: [624, 46, 98, 68],
  destination: [796, 22, 176, 116],
  consume: [1030, 46, 98, 68],
  result: [1198, 30, 116, 100],
  dead_letter: [796, 184, 176, 96],
};

const TALL = {
  size: [360, 848],
  images: [36, 4, 160, 60],
  enqueue: [58, 108, 116, 60],
  source: [16, 216, 200, 116],
  drain: [58, 380, 116, 60],
  destination: [16, 488, 200, 116],
  consume: [58, 652, 116, 60],
  result: [16, 760, 176, 84],
  dead_letter: [212, 748, 144, 96],
};

const LINE = ["images", "enqueue", "source", "drain", "destination", "consume", "result"];

/** {size, boxes, arrows: [{from, to, path, label: [x, y, anchor]}], rejects: [{from, path}]} */
export function layout(wide) {
  const { size, ...boxes } = wide ? WIDE : TALL;
  const arrows = LINE.slice(1).map((to, at) => (wide ? across : down)(LINE[at], to, boxes));
  const rejects = ["enqueue", "drain", "consume"].map((from) => ({ from, path: (wide ? under : beside)(from, boxes) }));
  return { size, boxes, arrows, rejects };
}

const TIP = 7; // the arrowhead's length

function across(from, to, boxes) {
  const [x, y, width, height] = boxes[from];
  const start = x + width;
  const end = boxes[to][0];
  const middle = y + height / 2;
  return { from, to, path: `M${start + 2} ${middle}H${end - TIP}`, label: [(start + end) / 2 - 2, middle - 10, "middle"], under: 26 };
}

function down(from, to, boxes) {
  const [x, y, width, height] = boxes[from];
  const middle = x + width / 2;
  const start = y + height;
  const end = boxes[to][1];
  return { from, to, path: `M${middle} ${start + 2}V${end - TIP}`, label: [middle + 12, (start + end) / 2 - 2, "start"], under: 15 };
}

/** Out of the bottom and along to the dead letters' side. */
function under(from, boxes) {
  const [x, y, width, height] = boxes[from];
  const [left, top, across_, tall] = boxes.dead_letter;
  const middle = x + width / 2;
  const rail = top + tall / 2;
  return middle < left
    ? `M${middle} ${y + height + 2}V${rail - 10}q0 10 10 10H${left - TIP}`
    : `M${middle} ${y + height + 2}V${rail - 10}q0 10 -10 10H${left + across_ + TIP}`;
}

/** Out of the right side and down to the dead letters' top. */
function beside(from, boxes) {
  const [x, y, width, height] = boxes[from];
  const [left, top, across_] = boxes.dead_letter;
  const rail = left + across_ / 2;
  return `M${x + width + 2} ${y + height / 2}H${rail - 10}q10 0 10 10V${top - TIP}`;
}
