/** What a dump ends with: the version of the format that it is in, and a checksum of everything before. */
import type { Crc64 } from '../rdb/crc64.ts'
import { crcBytes } from '../rdb/crc64.ts'
import { rdbVersion, rdbVersionMax } from '../rdb/rdb-format.ts'

export const footerBytes = 2 + crcBytes

/** Goes on from the checksum of the value with the version's; returns the footer. */
export function footerAfter(crc: Crc64): Buffer {
  const footer = Buffer.alloc(footerBytes)
  writeFooter(crc, footer, 0)
  return footer
}

/** As `footerAfter`, to `into` from `at` on. */
export function writeFooter(crc: Crc64, into: Buffer, at: number): void {
  into.writeUInt16LE(rdbVersion, at)
  crc.update(into, at, at + 2)
  crc.write(into, at + 2)
}

/** Whether a dump, `bytes[start, end)`, is long enough and of a version that can be read. */
export function hasKnownVersion(bytes: Buffer, start: number, end: number): boolean {
  return end - start >= footerBytes && bytes.readUInt16LE(end - footerBytes) <= rdbVersionMax
}
