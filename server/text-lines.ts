/** Pieces of reports for people and tools: INFO, the doctors. */

/** Bytes with a unit, as Redis writes them: `967.31K`. */
export function humanBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`
  let value = bytes
  let unit = -1
  while (value >= 1024 && unit < 4) {
    value /= 1024
    unit++
  }
  return `${value.toFixed(2)}${'KMGTP'[unit]}`
}

/** A share as a percentage with two digits: `12.50%`. */
export function percentText(part: number, whole: number): string {
  return `${(whole === 0 ? 0 : (part / whole) * 100).toFixed(2)}%`
}
