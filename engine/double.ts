/**
 * Floating-point numbers in bytes, with C's rules as Redis applies them: strtod's grammar without leading space (decimal,
 * hexadecimal, `inf`, `infinity`), and printf's `%.17g`. Doubles stand in for C's long doubles, so a number beyond
 * 1.8e308 reads as infinite here.
 */

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i
const hexadecimal = /^([+-]?)0x([\da-f]*)(?:\.([\da-f]*))?(?:p([+-]?\d+))?$/i
const infinite = /^([+-]?)inf(?:inity)?$/i
/** Redis refuses to read a float from more bytes than its buffer holds. */
const textBytesMax = 5 * 1024

/** The value of `buffer[start, end)`, ±Infinity for `inf`, or NaN when it is not a float as Redis reads one (`nan` is refused too). */
export function parseDouble(buffer: Buffer, start: number, end: number): number {
  if (end <= start || end - start >= textBytesMax) return Number.NaN
  const text = buffer.toString('latin1', start, end)
  if (decimal.test(text)) return underflows(text, Number(text)) ? Number.NaN : Number(text)
  const sign = infinite.exec(text)
  if (sign !== null) return sign[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  return parseHexadecimal(text)
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
  if (Number.isInteger(n) && Math.abs(n) < 1e17) return String(n)
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

/** toExponential rounds a tie away from zero, printf to even: the longer form shows a tie, and its digits cut off are the even ones or not. */
function seventeenDigits(n: number): string {
  const [mantissa, power] = n.toExponential(60).split('e') as [string, string]
  const point = mantissa.indexOf('.')
  const kept = mantissa.slice(0, point + 17)
  const rest = mantissa.slice(point + 17)
  const even = (kept.charCodeAt(kept.length - 1) & 1) === 0
  return even && /^50*$/.test(rest) ? `${kept}e${power}` : n.toExponential(16)
}
