/**
 * Arguments of a command as COMMAND DOCS tells them, made from the `syntax` of its row. The notation is that of Redis's
 * documentation: `[optional]`, `<one | of | these>`, `CAPITALS` for words to be sent as they are, `name [name ...]` for
 * one or more. A word in capitals before a value is that value's token.
 */
export interface ArgumentDoc {
  readonly name: string
  readonly type: string
  readonly token?: string
  readonly optional: boolean
  readonly multiple: boolean
  /** Whether the token stands before each of several. */
  readonly repeatsToken?: boolean
  readonly parts: readonly ArgumentDoc[]
}

export function argumentDocs(syntax: string): ArgumentDoc[] {
  const words = syntax.match(/\.\.\.|[[\]<>|]|[^\s[\]<>|]+/g) ?? []
  return new Parser(words).sequence()
}

class Parser {
  readonly #words: readonly string[]
  #at = 0

  constructor(words: readonly string[]) {
    this.#words = words
  }

  /** Arguments up to the end, or up to what closes or divides. */
  sequence(): ArgumentDoc[] {
    const found: ArgumentDoc[] = []
    while (this.#at < this.#words.length && !/^[\]>|]$/.test(this.#words[this.#at])) {
      const next = this.#one()
      const repeated = this.#repeats(next, found)
      if (!repeated) found.push(next)
    }
    return found
  }

  #one(): ArgumentDoc {
    const word = this.#words[this.#at++]
    if (word === '[') return { ...this.#choice(']'), optional: true }
    if (word === '<') return this.#choice('>')
    if (!isToken(word)) return value(word)
    const next = this.#words[this.#at]
    if (next === undefined || /^[[\]>|]$/.test(next) || isToken(next))
      return { ...value(word.toLowerCase()), type: 'pure-token', token: word }
    return { ...this.#one(), token: word }
  }

  #choice(end: string): ArgumentDoc {
    const ways: ArgumentDoc[] = []
    for (;;) {
      ways.push(asOne(this.sequence()))
      const stop = this.#words[this.#at++]
      if (stop === end || stop === undefined) break
    }
    if (ways.length === 1) return ways[0]
    return { name: ways.map(({ name }) => name).join('-or-'), type: 'oneof', optional: false, multiple: false, parts: ways }
  }

  /** `name [name ...]`: what stands in the brackets is what came before, again. */
  #repeats(next: ArgumentDoc, found: ArgumentDoc[]): boolean {
    if (!next.optional) return false
    const parts = next.type === 'block' ? next.parts : [next]
    if (parts[parts.length - 1]?.name !== '...') return next.name === '...'
    const again = parts.slice(0, -1)
    const before = found.splice(Math.max(0, found.length - again.length))
    const whole = asOne(before)
    const hasToken = whole.token !== undefined && whole.type !== 'pure-token'
    found.push({ ...whole, multiple: true, repeatsToken: hasToken && again[0]?.token !== undefined })
    return true
  }
}

function isToken(word: string): boolean {
  return /^[A-Z][A-Z-]*$/.test(word)
}

function value(name: string): ArgumentDoc {
  return { name, type: typeOf(name), optional: false, multiple: false, parts: [] }
}

/** Several arguments that stand together are a block. */
function asOne(arguments_: readonly ArgumentDoc[]): ArgumentDoc {
  if (arguments_.length === 1) return arguments_[0]
  return { name: arguments_.map(({ name }) => name).join('_'), type: 'block', optional: false, multiple: false, parts: arguments_ }
}

function typeOf(name: string): string {
  if (/^(key|newkey|destkey|source|destination|key\d)$/.test(name)) return 'key'
  if (name === 'pattern') return 'pattern'
  if (/unix-time/.test(name)) return 'unix-time'
  if (
    /^(seconds|milliseconds|count|cursor|index\d?|db|offset|start|end|bit|timeout|client-id|protover|increment|decrement|num\w+|len)$/.test(
      name,
    )
  ) {
    return 'integer'
  }
  return 'string'
}
