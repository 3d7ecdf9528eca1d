// A store behind a pipe, in JavaScript: LevelDB by the npm package classic-level.
//
//   npm install classic-level
//   levin-chaos scoreboard --stores 'pipe:node chaos/examples/store.js'
//
// The protocol is in faults/store_protocol.h. For a store of your own, change the class Store.
'use strict'
const fs = require('fs')
const path = require('path')
const { ClassicLevel } = require('classic-level')

const OK = 0, NOT_FOUND = 1, DAMAGED = 2, FAILED = 3, UNSUPPORTED = 4, PAIR = 16

// One method for each request; whatever it throws is told as a failure.
class Store {
  settings = 'classic-level ' + require('classic-level/package.json').version + '; durability: sync: true for each batch; checksums: of blocks'

  async open (directory, create, sync, cache, writeBuffer) {
    this.db = new ClassicLevel(directory, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
    await this.db.open({
      createIfMissing: create, compression: false,
      cacheSize: cache || 8 << 20, writeBufferSize: writeBuffer || 4 << 20
    })
  }

  async write (operations, sync) {
    await this.db.batch(operations.map(([key, value]) => value === null ? { type: 'del', key } : { type: 'put', key, value }),
      { sync })
  }

  async get (key) {
    try {
      return await this.db.get(key)
    } catch (error) {
      if (error.code === 'LEVEL_NOT_FOUND') return undefined
      throw error
    }
  }

  async * scan (start, stop, reverse, limit) {
    const range = { reverse, limit: limit || -1 }
    if (start) range[reverse ? 'lte' : 'gte'] = start
    if (stop) range[reverse ? 'gt' : 'lt'] = stop
    yield * this.db.iterator(range)
  }

  async compact () {
    await this.db.compactRange(Buffer.alloc(0), Buffer.alloc(64, 255))
  }

  async close () {
    await this.db.close()
  }
}

// ---- the protocol: nothing below knows the store ----

function put (result, ...payload) {
  const body = Buffer.concat(payload), head = Buffer.alloc(5)
  head.writeUInt32LE(1 + body.length, 0)
  head.writeUInt8(result, 4)
  fs.writeSync(1, Buffer.concat([head, body]))
}

function take (bytes) { // null at the end of the input
  const buffer = Buffer.alloc(bytes)
  for (let at = 0; at < bytes;) {
    const got = fs.readSync(0, buffer, at, bytes - at)
    if (got === 0) return null
    at += got
  }
  return buffer
}

function bytes32 (frame, at) {
  const end = at + 4 + frame.readUInt32LE(at)
  return [frame.subarray(at + 4, end), end]
}

async function serve (store, kind, frame) {
  let at, key, value
  switch (kind) {
    case 1:
      return frame.readUInt32LE(0) === 1 ? [OK, Buffer.from(store.settings)] : [UNSUPPORTED]
    case 2:
      await store.open(frame.subarray(17).toString(), !!(frame[0] & 1), !!(frame[0] & 2),
        Number(frame.readBigUInt64LE(1)), Number(frame.readBigUInt64LE(9)))
      return [OK]
    case 3: {
      const operations = []
      at = 5
      for (let i = frame.readUInt32LE(1); i > 0; i--) {
        const isPut = frame[at];
        [key, at] = bytes32(frame, at + 1)
        value = null
        if (isPut) [value, at] = bytes32(frame, at)
        operations.push([key, value])
      }
      await store.write(operations, !!frame[0])
      return [OK]
    }
    case 4:
      value = await store.get(frame)
      return value === undefined ? [NOT_FOUND] : [OK, value]
    case 5: {
      let start = null, stop = null
      at = 9
      if (frame[0] & 2) [start, at] = bytes32(frame, at)
      if (frame[0] & 4) [stop, at] = bytes32(frame, at)
      for await (const [k, v] of store.scan(start, stop, !!(frame[0] & 1), Number(frame.readBigUInt64LE(1)))) {
        const length = Buffer.alloc(4)
        length.writeUInt32LE(k.length, 0)
        put(PAIR, length, k, v)
      }
      return [OK]
    }
    case 7:
      await store.compact()
      return [OK]
    case 8:
      await store.close()
      return [OK]
    default:
      return [UNSUPPORTED]
  }
}

async function main () {
  const store = new Store()
  for (let head; (head = take(4)) !== null;) {
    const frame = take(head.readUInt32LE(0))
    try {
      put(...await serve(store, frame[0], frame.subarray(1)))
    } catch (error) {
      const text = String(error.message) + (error.cause ? ': ' + error.cause.message : '')
      put(/corruption/i.test(text) ? DAMAGED : FAILED, Buffer.from(text))
    }
    if (frame[0] === 8) break
  }
  process.exit(0) // the input has ended: so has the power
}

main()
