/**
 * The decimal counters' arithmetic: C's long double of x86, 64 bits of significand, in bigints. Redis adds such numbers and
 * prints them with 17 decimals, which a JavaScript number cannot reproduce (10.5 + 0.1 would not be 10.6). Every step
 * here is exact and then rounded once to the nearest, ties to even, as strtold, the FPU and printf round.
 */

/** `significand` × 2^`exponent`; infinite when `exponent` is Infinity, with the significand's sign. */
export interface LongDouble {
  readonly significand: bigint
  readonly exponent: number
}

export const longDoubleZero: LongDouble = { significand: 0n, exponent: 0 }

const significandBits = 64
/** The weight of the last bit of the smallest numbers. */
const exponentMin = -16445
/** Numbers are less than 2 to this. */
const magnitudeBitsMax = 16384
const decimals = 17
const decimalsScale = 10n ** BigInt(decimals)
/** Redis refuses to read a number from more bytes than its buffer holds. */
const textBytesMax = 5 * 1024
/** Powers of ten beyond which everything is infinite, or zero. */
const powerMax = 4940
const powerMin = -4970

/** A double and the little-endian words that it is made of: its exponent is in the upper one. */
const double = new Float64Array(1)
const doubleWords = new Uint32Array(double.buffer)
const doubleBias = 1023

const decimal = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d+))?$/i
const hexadecimal = /^([+-]?)0x([\da-f]*)(?:\.([\da-f]*))?(?:p([+-]?\d+))?$/i
const infinite = /^([+-]?)inf(?:inity)?$/i

/** Reads `buffer[start, end)` by strtold's grammar without leading space; undefined when it is no number, is out of range or is `nan`. */
export function parseLongDouble(buffer: Buffer, start: number, end: number): LongDouble | undefined {
  if (end <= start || end - start >= textBytesMax) return undefined
  const text = buffer.toString('latin1', start, end)
  const plain = decimal.exec(text)
  if (plain !== null) return parseDecimal(plain)
  const hex = hexadecimal.exec(text)
  if (hex !== null) return parseHexadecimal(hex)
  const sign = infinite.exec(text)
  return sign === null ? undefined : { significand: sign[1] === '-' ? -1n : 1n, exponent: Number.POSITIVE_INFINITY }
}

function parseDecimal(parts: RegExpExecArray): LongDouble | undefined {
  const whole = parts[2] ?? ''
  const fraction = parts[3] ?? ''
  if (whole === '' && fraction === '') return undefined
  const digits = (whole + fraction).replace(/^0+/, '')
  if (digits === '') return longDoubleZero
  const power = Number(parts[4] ?? 0) - fraction.length
  if (power + digits.length > powerMax || power + digits.length < powerMin) return undefined
  const magnitude = BigInt(digits)
  return ranged(
    power >= 0
      ? rounded(signed(parts, magnitude * 10n ** BigInt(power)), 0, false)
      : quotient(signed(parts, magnitude), 10n ** BigInt(-power)),
  )
}

function parseHexadecimal(parts: RegExpExecArray): LongDouble | undefined {
  const whole = parts[2] ?? ''
  const fraction = parts[3] ?? ''
  if (whole === '' && fraction === '') return undefined
  const magnitude = BigInt(`0x${whole}${fraction}`)
  if (magnitude === 0n) return longDoubleZero
  const exponent = Number(parts[4] ?? 0) - 4 * fraction.length
  if (Math.abs(exponent) > 1e6) return undefined
  return ranged(rounded(signed(parts, magnitude), exponent, false))
}

function signed(parts: RegExpExecArray, magnitude: bigint): bigint {
  return parts[1] === '-' ? -magnitude : magnitude
}

/** What strtold calls a range error is no number to Redis. */
function ranged(value: LongDouble): LongDouble | undefined {
  return value.significand === 0n || value.exponent === Number.POSITIVE_INFINITY ? undefined : value
}

/** The sum, or undefined when it is not finite. */
export function addLongDoubles(a: LongDouble, b: LongDouble): LongDouble | undefined {
  if (a.exponent === Number.POSITIVE_INFINITY || b.exponent === Number.POSITIVE_INFINITY) return undefined
  const exponent = Math.min(a.exponent, b.exponent)
  const sum = (a.significand << BigInt(a.exponent - exponent)) + (b.significand << BigInt(b.exponent - exponent))
  const result = rounded(sum, exponent, false)
  return result.exponent === Number.POSITIVE_INFINITY ? undefined : result
}

/** The product with an integer, rounded up to an integer; undefined when it is not finite. */
export function ceiledProduct({ significand, exponent }: LongDouble, factor: bigint): bigint | undefined {
  if (exponent === Number.POSITIVE_INFINITY) return undefined
  const product = rounded(significand * factor, exponent, false)
  if (product.exponent === Number.POSITIVE_INFINITY) return undefined
  if (product.exponent >= 0) return product.significand << BigInt(product.exponent)
  // A shift to the right rounds down, of negative numbers too.
  return -(-product.significand >> BigInt(-product.exponent))
}

/** As printf's `%.17Lf` without the zeros at the end; for finite numbers. */
export function formatLongDouble({ significand, exponent }: LongDouble): string {
  const magnitude = significand < 0n ? -significand : significand
  if (exponent >= 0) return (significand << BigInt(exponent)).toString()
  const scaled = shiftedToEven(magnitude * decimalsScale, -exponent, false)
  if (scaled === 0n) return '0'
  const digits = scaled.toString().padStart(decimals + 1, '0')
  const fraction = digits.slice(-decimals).replace(/0+$/, '')
  return `${significand < 0n ? '-' : ''}${digits.slice(0, -decimals)}${fraction && `.${fraction}`}`
}

function quotient(numerator: bigint, denominator: bigint): LongDouble {
  const magnitude = numerator < 0n ? -numerator : numerator
  // Enough bits that the quotient has at least two more than are kept, and what is left only breaks ties.
  const shift = Math.max(0, significandBits + 2 + bitLength(denominator) - bitLength(magnitude))
  const dividend = magnitude << BigInt(shift)
  const whole = dividend / denominator
  return rounded(numerator < 0n ? -whole : whole, -shift, whole * denominator !== dividend)
}

/** Rounds `value` × 2^`exponent` to a long double. `sticky`: the magnitude is a little more than that. */
function rounded(value: bigint, exponent: number, sticky: boolean): LongDouble {
  if (value === 0n) return longDoubleZero
  let magnitude = value < 0n ? -value : value
  let at = exponent
  const excess = Math.max(bitLength(magnitude) - significandBits, exponentMin - at)
  if (excess > 0) {
    magnitude = shiftedToEven(magnitude, excess, sticky)
    at += excess
  }
  if (magnitude !== 0n && bitLength(magnitude) + at > magnitudeBitsMax) at = Number.POSITIVE_INFINITY
  return { significand: value < 0n ? -magnitude : magnitude, exponent: magnitude === 0n ? 0 : at }
}

/** `magnitude` / 2^`bits`, to the nearest, ties to even. */
function shiftedToEven(magnitude: bigint, bits: number, sticky: boolean): bigint {
  const shift = BigInt(bits)
  const kept = magnitude >> shift
  const rest = magnitude - (kept << shift)
  const half = 1n << (shift - 1n)
  const up = rest > half || (rest === half && (sticky || (kept & 1n) === 1n))
  return up ? kept + 1n : kept
}

function bitLength(magnitude: bigint): number {
  double[0] = Number(magnitude)
  const exponent = (doubleWords[1] >>> 20) - doubleBias
  if (exponent < 0) return 0
  // As a double it may have been rounded up to the next power of two, or not have fitted.
  if (exponent <= doubleBias) return magnitude >> BigInt(exponent) === 0n ? exponent : exponent + 1
  const hex = magnitude.toString(16)
  return hex.length * 4 - Math.clz32(Number.parseInt(hex[0] as string, 16)) + 28
}
