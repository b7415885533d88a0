/**
 * Floating-point numbers in bytes, with C's rules as Redis applies them: strtod's grammar without leading space (decimal,
 * hexadecimal, `inf`, `infinity`), and printf's `%.17g`. Doubles stand in for C's long doubles, so a number beyond
 * 1.8e308 reads as infinite here.
 */

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i
const hexadecimal = /^([+-]?)0x([\da-f]*)(?:\.([\da-f]*))?(?:p([+-]?\d+))?$/i
const infinite = /^([+-]?)inf(?:inity)?$/i
const minus = 0x2d
const plus = 0x2b
const dot = 0x2e
const zero = 0x30
/** Redis refuses to read a float from more bytes than its buffer holds. */
const textBytesMax = 5 * 1024

/** The powers of ten that a double holds exactly and that digits without an exponent may be divided by. */
const powersOfTen = Array.from({ length: 16 }, (_, power) => 10 ** power)

/** The value of `buffer[start, end)`, ±Infinity for `inf`, or NaN when it is not a float as Redis reads one (`nan` is refused too). */
export function parseDouble(buffer: Buffer, start: number, end: number): number {
  if (end <= start || end - start >= textBytesMax) return Number.NaN
  const plain = parsePlain(buffer, start, end)
  if (!Number.isNaN(plain)) return plain
  const text = buffer.toString('latin1', start, end)
  if (decimal.test(text)) return underflows(text, Number(text)) ? Number.NaN : Number(text)
  const sign = infinite.exec(text)
  if (sign !== null) return sign[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  return parseHexadecimal(text)
}

/**
 * The value of up to 15 digits with a point among them or none, NaN for anything else. Digits and power of ten are exact, so their quotient is
 * rounded once, as it should be (Clinger, "How to read floating point numbers accurately", 1990).
 */
function parsePlain(buffer: Buffer, start: number, end: number): number {
  const sign = buffer[start]!
  let at = sign === minus || sign === plus ? start + 1 : start
  let digits = 0
  let count = 0
  let point = -1
  for (; at < end; at++) {
    const byte = buffer[at]!
    if (byte === dot && point < 0) {
      point = count
      continue
    }
    const digit = byte - zero
    if (digit < 0 || digit > 9 || ++count > 15) return Number.NaN
    digits = digits * 10 + digit
  }
  if (count === 0) return Number.NaN
  const value = point < 0 ? digits : digits / powersOfTen[count - point]!
  return sign === minus ? -value : value
}

/** strtod calls a number that is too small to be told from zero a range error. */
function underflows(text: string, value: number): boolean {
  return value === 0 && /[1-9]/.test(text.split(/e/i, 1)[0]!)
}

function parseHexadecimal(text: string): number {
  const parts = hexadecimal.exec(text)
  if (parts === null) return Number.NaN
  const whole = parts[2] ?? ''
  const fraction = parts[3] ?? ''
  if (whole === '' && fraction === '') return Number.NaN
  let value = 0
  for (const digit of whole + fraction) value = value * 16 + Number.parseInt(digit, 16)
  value *= 2 ** (Number(parts[4] ?? 0) - 4 * fraction.length)
  return parts[1] === '-' ? -value : value
}

/** `n` as printf's `%.17g` prints it; `inf`, `-inf` and `nan` for what is not finite. */
export function formatDouble(n: number): string {
  if (!Number.isFinite(n)) return n === Number.POSITIVE_INFINITY ? 'inf' : n === Number.NEGATIVE_INFINITY ? '-inf' : 'nan'
  if (n === 0) return Object.is(n, -0) ? '-0' : '0'
  const magnitude = Math.abs(n)
  // From 2^53 on JavaScript shows zeros in place of the last digits.
  if (Number.isInteger(n) && magnitude < 1e17) return magnitude < 2 ** 53 ? String(n) : BigInt(n).toString()
  // At most 15 digits are all there are: those that JavaScript shows.
  if (magnitude < 1e7 && Number.isInteger(n * 256)) return String(n)
  if (magnitude >= 1e-4 && magnitude < 1e17 && !mayBeTie(n)) return n.toPrecision(17).replace(/\.?0+$/, '')
  const [mantissa, power] = seventeenDigits(n).split('e') as [string, string]
  const exponent = Number(power)
  const sign = mantissa.startsWith('-') ? '-' : ''
  const digits = mantissa.replace(/[-.]/g, '')
  if (exponent < -4 || exponent >= 17) {
    const fraction = digits.slice(1).replace(/0+$/, '')
    const size = Math.abs(exponent)
    return `${sign}${digits[0]}${fraction && `.${fraction}`}e${exponent < 0 ? '-' : '+'}${size < 10 ? '0' : ''}${size}`
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits.replace(/0+$/, '')}`
  const fraction = digits.slice(exponent + 1).replace(/0+$/, '')
  return `${sign}${digits.slice(0, exponent + 1)}${fraction && `.${fraction}`}`
}

/** Whether a number of 18 digits, which JavaScript rounds otherwise than C: its last digit is 5, so it has at most 25 bits behind the point. */
function mayBeTie(n: number): boolean {
  return Number.isInteger(n * 2 ** 25)
}

/** toExponential rounds a tie away from zero, printf to even: the longer form shows a tie, and its digits cut off are the even ones or not. */
function seventeenDigits(n: number): string {
  const [mantissa, power] = n.toExponential(60).split('e') as [string, string]
  const point = mantissa.indexOf('.')
  const kept = mantissa.slice(0, point + 17)
  const rest = mantissa.slice(point + 17)
  const even = (kept.charCodeAt(kept.length - 1) & 1) === 0
  return even && /^50*$/.test(rest) ? `${kept}e${power}` : n.toExponential(16)
}
