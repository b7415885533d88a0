/**
 * Splits a line typed by a person into arguments, by the rules of Redis's sdssplitargs: double quotes with C escapes and
 * `\xHH`, single quotes with `\'` only, quotes may open within a word, and a closing quote ends the word. Escapes only
 * shorten, so the arguments are decoded in place: the line's own bytes are overwritten.
 */
import type { Arguments } from '../../engine/arguments.ts'

const space = 0x20
const tab = 0x09
const carriageReturn = 0x0d
const lineFeed = 0x0a
const doubleQuote = 0x22
const singleQuote = 0x27
const backslash = 0x5c
const letterX = 0x78

/** Pushes the arguments found in `buffer[start, end)`. False when a quote is not closed, or is followed by anything but space. */
export function splitInline(buffer: Buffer, start: number, end: number, args: Arguments): boolean {
  const nul = buffer.subarray(start, end).indexOf(0)
  const last = nul < 0 ? end : start + nul
  let at = start
  for (;;) {
    while (at < last && isSpace(buffer[at]!)) at++
    if (at >= last) return true
    at = word(buffer, at, last, args)
    if (at < 0) return false
  }
}

/** Decodes one word in place and pushes it. Returns the place after it, or -1. */
function word(buffer: Buffer, start: number, end: number, args: Arguments): number {
  let at = start
  let out = start
  while (at < end) {
    const byte = buffer[at]!
    if (byte === space || byte === tab || byte === carriageReturn || byte === lineFeed) break
    if (byte !== doubleQuote && byte !== singleQuote) {
      buffer[out++] = byte
      at++
      continue
    }
    for (at++; ; ) {
      if (at >= end) return -1
      const quoted = buffer[at]!
      if (quoted === byte) break
      if (quoted !== backslash || at + 1 >= end) {
        buffer[out++] = quoted
        at++
      } else if (byte === singleQuote) {
        const quote = buffer[at + 1] === singleQuote
        buffer[out++] = quote ? singleQuote : backslash
        at += quote ? 2 : 1
      } else if (buffer[at + 1] === letterX && at + 3 < end && hexDigit(buffer[at + 2]!) >= 0 && hexDigit(buffer[at + 3]!) >= 0) {
        buffer[out++] = hexDigit(buffer[at + 2]!) * 16 + hexDigit(buffer[at + 3]!)
        at += 4
      } else {
        buffer[out++] = escaped(buffer[at + 1]!)
        at += 2
      }
    }
    at++
    if (at < end && !isSpace(buffer[at]!)) return -1
    break
  }
  args.push(start, out)
  return at
}

function isSpace(byte: number): boolean {
  return byte === space || (byte >= tab && byte <= carriageReturn)
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

function escaped(letter: number): number {
  switch (letter) {
    case 0x6e:
      return 0x0a
    case 0x72:
      return 0x0d
    case 0x74:
      return 0x09
    case 0x62:
      return 0x08
    case 0x61:
      return 0x07
    default:
      return letter
  }
}
