// sharp in a process of its own: a JSON job a line on stdin, its CPU seconds on stdout (see worker.py).
import { createRequire } from 'node:module'
import { readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const sharp = createRequire(process.argv[2] + '/')('sharp')
const fastShrinkOnLoad = process.argv[3] !== 'slow'
sharp.concurrency(1)
sharp.cache(false)

const encoders = {
  jpeg: (image) => image.jpeg({ quality: 80 }),
  webp: (image) => image.webp({ quality: 80 }),
  png: (image) => image.png(),
  fine: (image) => image.jpeg({ quality: 100 }),
}

async function thumbnails (data, sizes, format) {
  // One decode for several sizes: the largest as raw pixels, the others from it.
  const [largest, ...rest] = sizes
  const inside = (size) => [size, size, { fit: 'inside', withoutEnlargement: true, fastShrinkOnLoad }]
  const first = sharp(data, { limitInputPixels: false }).autoOrient().resize(...inside(largest))
  if (rest.length === 0) return [await encoders[format](first).toBuffer()]
  const { data: pixels, info } = await first.raw().toBuffer({ resolveWithObject: true })
  const raw = { raw: { width: info.width, height: info.height, channels: info.channels } }
  return Promise.all(sizes.map((size) => encoders[format](sharp(pixels, raw).resize(...inside(size))).toBuffer()))
}

for await (const line of createInterface({ input: process.stdin })) {
  const { path, sizes, format, repeat, out } = JSON.parse(line)
  const data = readFileSync(path)
  const before = process.cpuUsage()
  let made
  for (let i = 0; i < repeat; i++) made = await thumbnails(data, sizes, format)
  const { user, system } = process.cpuUsage(before)
  if (out) made.forEach((each, number) => writeFileSync(out + number, each))
  console.log(JSON.stringify({ cpu: (user + system) / 1e6 / repeat }))
}
