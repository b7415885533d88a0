/** Field and value ranges, one pair at a time, without an object per pair. Deletions give fields only. */
export interface FieldSource {
  readonly count: number
  buffer(index: number): Buffer
  fieldStart(index: number): number
  fieldEnd(index: number): number
  valueStart(index: number): number
  valueEnd(index: number): number
}

/** Bytes of all fields and values. */
export function bytesOf(pairs: FieldSource): number {
  let bytes = 0
  for (let i = 0; i < pairs.count; i++) bytes += pairs.valueEnd(i) - pairs.valueStart(i) + pairs.fieldEnd(i) - pairs.fieldStart(i)
  return bytes
}
