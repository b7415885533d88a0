/**
 * One line of a configuration file as words, by the rules that Redis's files and inline commands share: blanks separate,
 * `"…"` knows escapes (`\n`, `\xff`), `'…'` knows only `\'`, and a closing quote must end the word.
 */

/** The words of `line`, or undefined when quotes do not match. */
export function splitWords(line: string): string[] | undefined {
  // One character per byte, so that `\xc3\xa9` and a typed é come out the same.
  const bytes = Buffer.from(line).toString('latin1')
  const words: string[] = []
  let at = 0
  for (;;) {
    while (at < bytes.length && isBlank(bytes[at])) at++
    if (at === bytes.length) return words
    const word = readWord(bytes, at)
    if (word === undefined) return undefined
    words.push(Buffer.from(word.text, 'latin1').toString())
    at = word.end
  }
}

interface Word {
  readonly text: string
  readonly end: number
}

function readWord(bytes: string, start: number): Word | undefined {
  let text = ''
  let at = start
  while (at < bytes.length && !isBlank(bytes[at])) {
    const quote = bytes[at]
    if (quote === '"' || quote === "'") {
      const inside = quote === '"' ? readDouble(bytes, at + 1) : readSingle(bytes, at + 1)
      if (inside === undefined || (inside.end < bytes.length && !isBlank(bytes[inside.end]))) return undefined
      return { text: text + inside.text, end: inside.end }
    }
    text += quote
    at++
  }
  return { text, end: at }
}

function readDouble(bytes: string, start: number): Word | undefined {
  let text = ''
  for (let at = start; at < bytes.length; at++) {
    if (bytes[at] === '"') return { text, end: at + 1 }
    const hex = /^\\x([0-9a-f]{2})/i.exec(bytes.slice(at, at + 4))
    if (hex !== null) {
      text += String.fromCharCode(Number.parseInt(hex[1], 16))
      at += 3
    } else if (bytes[at] === '\\' && at + 1 < bytes.length) {
      at++
      const named = 'nrtba'.indexOf(bytes[at])
      text += named >= 0 ? '\n\r\t\b\x07'[named] : bytes[at]
    } else {
      text += bytes[at]
    }
  }
  return undefined
}

function readSingle(bytes: string, start: number): Word | undefined {
  let text = ''
  for (let at = start; at < bytes.length; at++) {
    if (bytes[at] === "'") return { text, end: at + 1 }
    if (bytes[at] === '\\' && bytes[at + 1] === "'") at++
    text += bytes[at]
  }
  return undefined
}

function isBlank(character: string): boolean {
  return character === ' ' || (character >= '\t' && character <= '\r') || character === '\0'
}
