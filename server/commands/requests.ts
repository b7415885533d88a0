/** What several session commands read from their arguments in the same way, and the texts they refuse with. */
import type { Session } from '../session.ts'

export const syntaxError = 'ERR syntax error'
export const notAnInteger = 'ERR value is not an integer or out of range'

/** A timeout in ms, at most 2^53 − 1; undefined when the argument is none and the error is written. */
export function timeoutMs(session: Session, index: number): number | undefined {
  const value = session.args.bigInteger(index)
  if (value === undefined) session.reply.error('ERR timeout is not an integer or out of range')
  else if (value < 0n) session.reply.error('ERR timeout is negative')
  else return Math.min(Number(value), Number.MAX_SAFE_INTEGER)
  return undefined
}

/** Redis's answer where a subcommand exists, but not with so many arguments. */
export function unknownOrWrongArity(session: Session): void {
  const container = session.args.string(0, 'latin1').toUpperCase()
  session.reply.error(
    `ERR unknown subcommand or wrong number of arguments for '${session.args.string(1, 'latin1').slice(0, 128)}'. Try ${container} HELP.`,
  )
}

/** A container whose subcommands are rows of their own never runs itself. */
export function container(session: Session): void {
  unknownOrWrongArity(session)
}

/** HELP: a head line, the given lines, and HELP itself. */
export function replyHelp(session: Session, lines: readonly string[]): void {
  const { args, reply } = session
  reply.array(lines.length + 3)
  reply.status(`${args.string(0, 'latin1').toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`)
  for (const line of lines) reply.status(line)
  reply.status('HELP')
  reply.status('    Prints this help.')
}
