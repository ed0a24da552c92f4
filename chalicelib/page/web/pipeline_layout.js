// Where the parts of the picture stand: side by side, or one above the other on a narrow screen.

/** Boxes by name: [x, y, width, height]. */
const WIDE = {
  size: [1318, 346],
  images: [4, 84, 112, 76],
  enqueue: [206, 88, 98, 68],
  source: [382, 4, 176, 112],
  bulk: [382, 128, 176, 112],
  drain: [640, 88, 98, 68],
  destination: [806, 64, 176, 116],
  consume: [1036, 88, 98, 68],
  result: [1198, 72, 116, 100],
  dead_letter: [806, 246, 176, 96],
};

const TALL = {
  size: [360, 860],
  images: [36, 4, 160, 60],
  enqueue: [58, 108, 116, 60],
  source: [4, 216, 128, 116],
  bulk: [140, 216, 128, 116],
  drain: [58, 380, 116, 60],
  destination: [16, 488, 200, 116],
  consume: [58, 652, 116, 60],
  result: [16, 756, 176, 96],
  dead_letter: [212, 756, 144, 96],
};

const WAYS = [
  ["images", "enqueue"], ["enqueue", "source"], ["enqueue", "bulk"], ["source", "drain"], ["bulk", "drain"],
  ["drain", "destination"], ["destination", "consume"], ["consume", "result"],
];

/** {size, boxes, arrows: [{name, to, path, label: [x, y, anchor]}], rejects: [{from, path}]} */
export function layout(wide) {
  const { size, ...boxes } = wide ? WIDE : TALL;
  const arrows = WAYS.map(([from, to]) => ({ name: `${from}-${to}`, to, ...(wide ? across : down)(from, to, boxes) }));
  const rejects = ["enqueue", "drain", "consume"].map((from) => ({ from, path: (wide ? under : beside)(from, boxes) }));
  return { size, boxes, arrows, rejects };
}

const TIP = 7; // the arrowhead's length
const APART = 12; // two lanes at one box

function lane(from, to) {
  return from === "source" || to === "source" ? -1 : from === "bulk" || to === "bulk" ? 1 : 0;
}

function across(from, to, boxes) {
  const [x, y, width, height] = boxes[from];
  const [end, top, , tall] = boxes[to];
  const start = x + width;
  const side = lane(from, to);
  const first = y + height / 2 + (from === "enqueue" ? APART * side : 0);
  const last = top + tall / 2 + (to === "drain" ? APART * side : 0);
  const middle = (start + end) / 2 - 2;
  const path = side
    ? `M${start + 2} ${first}C${middle} ${first} ${middle} ${last} ${end - TIP - 4} ${last}h4`
    : `M${start + 2} ${first}H${end - TIP}`;
  const label = to === "drain" ? [middle + 12, y + 18, "middle"] : [middle, first - 10, "middle"];
  return { path, label, under: to === "drain" ? 16 : 26 };
}

function down(from, to, boxes) {
  const [x, y, width, height] = boxes[from];
  const [left, end, breadth] = boxes[to];
  const start = y + height;
  const side = lane(from, to);
  const first = x + width / 2 + (from === "enqueue" ? APART * side : 0);
  const last = left + breadth / 2 + (to === "drain" ? APART * side : 0);
  const middle = (start + end) / 2;
  const path = side
    ? `M${first} ${start + 2}C${first} ${middle} ${last} ${middle} ${last} ${end - TIP - 4}v4`
    : `M${first} ${start + 2}V${end - TIP}`;
  const label = to === "drain" ? [56, middle + 6, "end"] : [first + 12, middle - 2, "start"];
  return { path, label, under: 15 };
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
