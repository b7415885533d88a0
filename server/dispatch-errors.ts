/** What Redis answers to requests that name no command, have the wrong number of arguments, with its quoting and its limits, or get no memory or no log. */
import type { Arguments } from '../engine/arguments.ts'

const shownBytesMax = 128
export const outOfMemory = "OOM command not allowed when used memory > 'maxmemory'."

/** The log's disk has failed: writes are refused. */
export function logFailed(failure: Error): string {
  return `MISCONF Errors writing to the AOF file: ${failure.message}`
}

export function unknownCommand(args: Arguments): string {
  let shown = ''
  for (let i = 1; i < args.count && shown.length < shownBytesMax; i++) {
    shown += `'${shownPart(args, i, shownBytesMax - shown.length)}' `
  }
  return `ERR unknown command '${shownPart(args, 0, shownBytesMax)}', with args beginning with: ${shown}`
}

export function unknownSubcommand(container: string, args: Arguments): string {
  return `ERR unknown subcommand '${shownPart(args, 1, shownBytesMax)}'. Try ${container.toUpperCase()} HELP.`
}

export function wrongArity(name: string): string {
  return `ERR wrong number of arguments for '${name}' command`
}

function shownPart(args: Arguments, index: number, bytesMax: number): string {
  const start = args.starts[index]
  const end = Math.min(args.ends[index], start + bytesMax)
  const nul = args.buffer.indexOf(0, start)
  return args.buffer.toString('latin1', start, nul >= 0 && nul < end ? nul : end)
}
