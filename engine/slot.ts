/**
 * The hash slot of a key, as Redis's cluster specification has it: CRC-16 (XMODEM: polynomial 0x1021, from 0, unreflected) of the
 * key modulo 16384. If the key has a `{` and a `}` behind it with something in between, only that is hashed, so that
 * keys with the same hash tag are in the same slot.
 */
export const slotCount = 16_384

const polynomial = 0x1021
const openBrace = 0x7b
const closeBrace = 0x7d

const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ polynomial
  return crc & 0xffff
})

/** Of the key `bytes[start, end)`. */
export function keySlot(bytes: Uint8Array, start: number, end: number): number {
  const open = indexOf(bytes, openBrace, start, end)
  const close = open < 0 ? -1 : indexOf(bytes, closeBrace, open + 1, end)
  return close > open + 1 ? hash(bytes, open + 1, close) : hash(bytes, start, end)
}

function hash(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0
  for (let i = start; i < end; i++) crc = ((crc << 8) & 0xffff) ^ (table[(crc >>> 8) ^ (bytes[i] as number)] as number)
  return crc % slotCount
}

function indexOf(bytes: Uint8Array, byte: number, start: number, end: number): number {
  for (let i = start; i < end; i++) if (bytes[i] === byte) return i
  return -1
}
