/** Field and value ranges, one pair at a time, without an object per pair. Deletions give fields only. */
export interface FieldSource {
  readonly count: number
  buffer(index: number): Buffer
  fieldStart(index: number): number
  fieldEnd(index: number): number
  valueStart(index: number): number
  valueEnd(index: number): number
}
