/**
 * Redis's glob patterns over bytes: `*`, `?`, `[abc]`, `[^a-z]`, `\x`. KEYS, SCAN, CONFIG GET and CLIENT commands use it.
 *
 * Only the newest `*` is ever retried: what an earlier star could still take, the newest can take as well. So matching
 * costs at most pattern × text steps, whatever a client sends. The corner cases are Redis's: a class that is never closed
 * reaches to the end of the pattern, `[z-a]` is `[a-z]`, an escape inside a class ignores `nocase`, and an
 * empty text is matched by an empty pattern only.
 */
const star = 0x2a
const question = 0x3f
const open = 0x5b
const close = 0x5d
const backslash = 0x5c
const caret = 0x5e
const dash = 0x2d

/** Whether `text[ts, te)` matches the glob `pattern[ps, pe)`. With `nocase`, ASCII letters match in either case. */
export function globMatches(pattern: Buffer, ps: number, pe: number, text: Buffer, ts: number, te: number, nocase = false): boolean {
  if (ts === te) return ps === pe
  let p = ps
  let t = ts
  let retryPattern = -1
  let retryText = 0
  while (t < te) {
    if (p < pe && pattern[p] === star) {
      while (p < pe && pattern[p] === star) p++
      if (p === pe) return true
      retryPattern = p
      retryText = t
      continue
    }
    const next = p < pe ? matchOne(pattern, p, pe, text[t], nocase) : -1
    if (next >= 0) {
      p = next
      t++
    } else {
      if (retryPattern < 0) return false
      p = retryPattern
      t = ++retryText
    }
  }
  while (p < pe && pattern[p] === star) p++
  return p === pe
}

/** Where the pattern goes on if the element at `p` matches `byte`, or -1. */
function matchOne(pattern: Buffer, p: number, pe: number, byte: number, nocase: boolean): number {
  switch (pattern[p]) {
    case question:
      return p + 1
    case open:
      return matchClass(pattern, p + 1, pe, byte, nocase)
    case backslash:
      return same(pattern[p + 1 < pe ? p + 1 : p], byte, nocase) ? Math.min(p + 2, pe) : -1
    default:
      return same(pattern[p], byte, nocase) ? p + 1 : -1
  }
}

/** As `matchOne`, for a class whose first byte after `[` is at `start`. */
function matchClass(pattern: Buffer, start: number, pe: number, byte: number, nocase: boolean): number {
  const negated = start < pe && pattern[start] === caret
  let p = negated ? start + 1 : start
  let found = false
  while (p < pe && pattern[p] !== close) {
    if (pattern[p] === backslash && p + 1 < pe) {
      if (pattern[p + 1] === byte) found = true
      p += 2
    } else if (p + 2 < pe && pattern[p + 1] === dash) {
      if (within(pattern[p], pattern[p + 2], byte, nocase)) found = true
      p += 3
    } else {
      if (same(pattern[p], byte, nocase)) found = true
      p++
    }
  }
  if (found === negated) return -1
  return p < pe ? p + 1 : pe
}

function within(a: number, b: number, byte: number, nocase: boolean): boolean {
  // Redis orders the ends before it folds their case, so `[Z-a]` without case is `[a-z]` turned round: empty.
  const low = nocase ? lower(Math.min(a, b)) : Math.min(a, b)
  const high = nocase ? lower(Math.max(a, b)) : Math.max(a, b)
  const folded = nocase ? lower(byte) : byte
  return folded >= low && folded <= high
}

function same(a: number, b: number, nocase: boolean): boolean {
  return a === b || (nocase && lower(a) === lower(b))
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte
}
