/** INFO, MONITOR, ROLE, TIME: what anybody may ask of the server, or watch. */
import { noKeys } from '../../engine/command.ts'
import { infoText } from '../info/report.ts'
import type { Session, SessionCommand } from '../session.ts'

const about = { keys: noKeys, categories: [], group: 'server', since: '1.0.0', complexity: 'O(1)' } as const

export const observationCommands = {
  INFO: {
    ...about,
    arity: -1,
    flags: ['loading', 'stale'],
    categories: ['dangerous'],
    syntax: '[section [section ...]]',
    summary: 'Tells about the server, in sections.',
    handler: info,
  },
  MONITOR: {
    ...about,
    arity: 1,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    syntax: '',
    summary: 'Sends every request that the server executes.',
    handler: monitor,
  },
  ROLE: {
    ...about,
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast'],
    categories: ['admin', 'dangerous'],
    since: '2.8.12',
    syntax: '',
    summary: 'Tells the part that the server plays in replication.',
    handler: role,
  },
  TIME: {
    ...about,
    arity: 1,
    flags: ['loading', 'stale', 'fast'],
    since: '2.6.0',
    syntax: '',
    summary: "Tells the server's time.",
    handler: time,
  },
} as const satisfies Record<string, SessionCommand>

function info({ args, reply, server }: Session): void {
  const sections: string[] = []
  for (let i = 1; i < args.count; i++) sections.push(args.string(i))
  reply.verbatim('txt', infoText(server, sections))
}

function monitor(session: Session): void {
  const { reply, server } = session
  if (session.inExec) {
    reply.error("ERR MONITOR isn't allowed for DENY BLOCKING client")
    return
  }
  session.monitoring = true
  server.monitors.add(session)
  reply.ok()
}

function role({ reply, server }: Session): void {
  const { roles, peers, shard } = server
  if (roles.role === 'replica') {
    reply.array(5)
    reply.text('slave')
    reply.text(roles.primary?.host ?? '')
    reply.integer(roles.primary?.port ?? 0)
    reply.text(roles.isLinkUp ? 'connected' : 'connect')
    reply.integer(shard?.replay.applied ?? -1)
    return
  }
  reply.array(3)
  reply.text('master')
  reply.integer(shard?.log.committed ?? 0)
  const { all } = peers
  reply.array(all.length)
  for (const { host, port, applied } of all) {
    reply.array(3)
    reply.text(host)
    reply.text(`${port}`)
    reply.text(`${applied}`)
  }
}

function time({ reply, server }: Session): void {
  const ms = server.clock.wallMs()
  reply.array(2)
  reply.text(String(Math.floor(ms / 1000)))
  reply.text(String((ms % 1000) * 1000))
}
