/** Whatever is set: JavaScript's stack takes no more for certain. */
export const nestingMax = 1000

/** What a script can set of `cjson`. */
export class JsonSettings {
  /** Whether a script has called a function that sets something. */
  isTouched = false
  sparseConvert = false
  sparseRatio = 2
  sparseSafe = 10
  encodeDepth = 1000
  decodeDepth = 1000
  precision = 14
  keepsBuffer = true
  /** Whether numbers that JSON does not have are written: not at all, as null, or as they are. */
  encodeInvalid: 'no' | 'null' | 'yes' = 'no'
  decodeInvalid = true
}
