/** What the checker of histories knows of a string: SET, GET, DEL, INCRBY and APPEND, with the bytes of their replies. */
import type { Operation, Specification } from './linearizability.ts'
import { bulk, integer, isInteger, nil, ok } from './model-replies.ts'

export type StringRequest = readonly [name: string, key: string, value?: string]

/** A missing key. Other states begin with `=`. */
const missing = '-'
const notInteger = '-ERR value is not an integer or out of range\r\n'

interface Outcome {
  readonly state: string
  readonly reply: string
}

export const strings: Specification<StringRequest> = {
  initial: missing,
  after(state, { request, reply }) {
    const outcome = outcomeOf(state, request)
    return reply === undefined || reply === outcome.reply ? outcome.state : undefined
  },
  mayLeadTo: (state, operation) => mayLeadTo(textOf(state), operation),
  mayMake,
  reads: ({ request: [name], reply }) => name === 'GET' || (name === 'DEL' && reply === integer(0)) || reply === notInteger,
  forgets: ([name]) => name === 'SET' || name === 'DEL',
  describe: (request) => request.join(' '),
}

function textOf(state: string): string | undefined {
  return state === missing ? undefined : state.slice(1)
}

function outcomeOf(state: string, [name, , value = '']: StringRequest): Outcome {
  const text = textOf(state)
  switch (name) {
    case 'SET':
      return { state: `=${value}`, reply: ok }
    case 'GET':
      return { state, reply: text === undefined ? nil : bulk(text) }
    case 'DEL':
      return { state: missing, reply: integer(text === undefined ? 0 : 1) }
    case 'APPEND':
      return { state: `=${text ?? ''}${value}`, reply: integer((text ?? '').length + value.length) }
    case 'INCRBY': {
      if (!isInteger(text ?? '0')) return { state, reply: notInteger }
      const sum = Number(text ?? 0) + Number(value)
      return { state: `=${sum}`, reply: integer(sum) }
    }
    default:
      throw new Error(`the specification does not know ${name}`)
  }
}

function mayMake([name, , value = '']: StringRequest, { request, reply = '' }: Operation<StringRequest>): boolean {
  if (name === 'GET') return false
  const [asked, , added = ''] = request
  const text = name === 'DEL' ? undefined : value
  const outcome = name === 'DEL' || name === 'SET' ? outcomeOf(text === undefined ? missing : `=${text}`, request).reply : reply
  if (outcome !== reply || reply === notInteger) return outcome === reply
  switch (asked) {
    case 'GET': {
      const wanted = reply.slice(reply.indexOf('\r\n') + 2, -2)
      return name === 'APPEND' ? wanted.endsWith(value) : name === 'INCRBY' ? isInteger(wanted) : true
    }
    case 'DEL':
      return name === 'DEL' || reply === integer(1)
    case 'APPEND':
      return name !== 'APPEND' || Number(reply.slice(1, -2)) >= value.length + added.length
    default:
      return true
  }
}

/** Strings only become longer, and numbers larger, unless they are set or deleted. */
function mayLeadTo(text: string | undefined, { request: [name, , value = ''], reply = '' }: Operation<StringRequest>): boolean {
  const answer = reply.slice(1, -2)
  switch (name) {
    case 'GET': {
      if (reply === nil) return false
      const wanted = reply.slice(reply.indexOf('\r\n') + 2, -2)
      return text === undefined || wanted.startsWith(text) || (isInteger(text) && isInteger(wanted) && Number(text) < Number(wanted))
    }
    case 'APPEND':
      return (text ?? '').length + value.length <= Number(answer)
    case 'INCRBY':
      return !isInteger(text ?? '0') || reply === notInteger || Number(text ?? 0) + Number(value) <= Number(answer)
    case 'DEL':
      return true
    default:
      return false
  }
}
