/** MONITOR: one status line for each command that any client has executed, with Redis's quoting. Very long ones are cut: V8 has no text of 512 MB. */
import type { Arguments } from '../engine/arguments.ts'
import type { Client } from './client.ts'

const argumentBytesMax = 1024 * 1024
const lineCharactersMax = 64 * 1024 * 1024

export class MonitorFeed {
  /** `inScript`: a script has it executed, and no client has sent it. */
  send(monitors: ReadonlySet<Client>, client: Client, args: Arguments, wallMs: number, inScript: boolean): void {
    const seconds = Math.floor(wallMs / 1000)
    const micros = String((wallMs % 1000) * 1000).padStart(6, '0')
    let line = `${seconds}.${micros} [${client.database} ${inScript ? 'lua' : client.connection.pipe.remoteAddress}]`
    for (let i = 0; i < args.count; i++) {
      line += client.redacted.includes(i) ? ' "(redacted)"' : ` ${shown(args.bytes(i))}`
      if (line.length <= lineCharactersMax || i + 1 === args.count) continue
      line += ` ... (${args.count - i - 1} more arguments)`
      break
    }
    for (const monitor of monitors) {
      monitor.reply.status(line)
      monitor.connection.wrote()
    }
  }
}

function shown(bytes: Uint8Array): string {
  if (bytes.length <= argumentBytesMax) return quoted(bytes)
  return `${quoted(bytes.subarray(0, argumentBytesMax))}... (${bytes.length - argumentBytesMax} more bytes)`
}

/** As Redis's sdscatrepr: printable ASCII as it is, the rest escaped. */
export function quoted(bytes: Uint8Array): string {
  let text = '"'
  for (const byte of bytes) {
    if (byte === 0x5c || byte === 0x22) text += `\\${String.fromCharCode(byte)}`
    else if (byte === 0x0a) text += '\\n'
    else if (byte === 0x0d) text += '\\r'
    else if (byte === 0x09) text += '\\t'
    else if (byte === 0x07) text += '\\a'
    else if (byte === 0x08) text += '\\b'
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte)
    else text += `\\x${byte.toString(16).padStart(2, '0')}`
  }
  return `${text}"`
}
