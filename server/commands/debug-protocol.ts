/** DEBUG PROTOCOL: a reply of each type there is, for tests of clients. */
import type { Session } from '../session.ts'

const wrongType =
  'ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false'
const popularity = Buffer.from('|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n')

type Answer = (session: Session) => void

const answers: Readonly<Record<string, Answer>> = {
  string: ({ reply }) => reply.text('Hello World'),
  integer: ({ reply }) => reply.integer(12345),
  double: ({ reply }) => reply.double(3141 / 1000),
  null: ({ reply }) => reply.nil(),
  array: ({ reply }) => {
    reply.array(3)
    for (let i = 0; i < 3; i++) reply.integer(i)
  },
  set: ({ reply }) => {
    reply.set(3)
    for (let i = 0; i < 3; i++) reply.integer(i)
  },
  map: ({ reply }) => {
    reply.map(3)
    for (let i = 0; i < 3; i++) {
      reply.integer(i)
      reply.boolean(i === 1)
    }
  },
  attrib: ({ reply }) => {
    if (reply.protocol === 3) reply.raw(popularity, 0, popularity.length)
    reply.text('Some real reply following the attribute')
  },
  push: ({ reply }) => {
    if (reply.protocol < 3) {
      reply.error('ERR RESP2 is not supported by this command')
      return
    }
    reply.push(2)
    reply.text('server-cpu-usage')
    reply.integer(42)
    reply.text('Some real reply following the push reply')
  },
  verbatim: ({ reply }) => reply.verbatim('txt', 'This is a verbatim\nstring'),
  true: ({ reply }) => reply.boolean(true),
  false: ({ reply }) => reply.boolean(false),
  bignum: ({ reply }) => reply.bigNumber(1234567999999999999999999999999999999n),
}

export function debugProtocol(session: Session): void {
  const name = session.args.string(2, 'latin1').toLowerCase()
  const answer = Object.hasOwn(answers, name) ? answers[name] : undefined
  if (answer === undefined) session.reply.error(wrongType)
  else answer(session)
}
