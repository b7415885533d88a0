/** The elements of a value in one of its encodings. */
export interface Decoding {
  /** Decodes one element, or what stands between elements; false when nothing is left. When it throws, it has taken note of nothing. */
  next(): boolean
  /** Bytes of elements that have come out of what was read before. */
  readonly unpackedBytes: number
}
