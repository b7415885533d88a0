/** LATENCY: events that took longer than `latency-monitor-threshold`, and how long commands take. */
import { noKeys } from '../../engine/command.ts'
import type { Command } from '../command-table.ts'
import { latencyGraph, latencyReport } from '../latency-report.ts'
import type { Session, SessionCommand } from '../session.ts'
import { container, replyHelp } from './requests.ts'

const about = { keys: noKeys, categories: [], group: 'server', since: '2.8.13', complexity: 'O(1)' } as const
const admin = { ...about, flags: ['admin', 'noscript', 'loading', 'stale'] } as const

export const latencyCommands = {
  LATENCY: {
    ...about,
    arity: -2,
    flags: [],
    complexity: 'Depends on the subcommand',
    syntax: '',
    summary: 'Shows what has taken long.',
    handler: container,
  },
  'LATENCY DOCTOR': { ...admin, arity: 2, syntax: '', summary: 'Says in words what has taken long.', handler: doctor },
  'LATENCY GRAPH': { ...admin, arity: 3, syntax: 'event', summary: 'Draws the samples of an event.', handler: graph },
  'LATENCY HELP': {
    ...about,
    arity: 2,
    flags: ['loading', 'stale'],
    syntax: '',
    summary: 'Describes the subcommands.',
    handler: help,
  },
  'LATENCY HISTOGRAM': {
    ...admin,
    arity: -2,
    since: '7.0.0',
    complexity: 'O(N), N the commands shown',
    syntax: '[command [command ...]]',
    summary: 'Returns how long commands have taken.',
    handler: histogram,
  },
  'LATENCY HISTORY': { ...admin, arity: 3, syntax: 'event', summary: 'Returns the samples of an event.', handler: history },
  'LATENCY LATEST': { ...admin, arity: 2, syntax: '', summary: 'Returns the newest sample of each event.', handler: latest },
  'LATENCY RESET': { ...admin, arity: -2, syntax: '[event [event ...]]', summary: 'Forgets the samples of events.', handler: reset },
} as const satisfies Record<string, SessionCommand>

const helpLines = [
  'DOCTOR',
  '    Return a human readable latency analysis report.',
  'GRAPH <event>',
  '    Return an ASCII latency graph for the <event> class.',
  'HISTORY <event>',
  '    Return time-latency samples for the <event> class.',
  'LATEST',
  '    Return the latest latency samples for all events.',
  'RESET [<event> ...]',
  '    Reset latency data of one or more <event> classes.',
  '    (default: reset all data for all event classes)',
  'HISTOGRAM [COMMAND ...]',
  '    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.',
  '    If no commands are specified then all histograms are replied.',
]

function doctor({ server, reply }: Session): void {
  reply.verbatim('txt', latencyReport(server))
}

function graph({ args, server, reply }: Session): void {
  const name = args.string(2, 'latin1')
  const event = server.latency.events.get(name)
  if (event === undefined) reply.error(`ERR No samples available for event '${name}'`)
  else reply.verbatim('txt', latencyGraph(name, event, server.clock.wallMs()))
}

function help(session: Session): void {
  replyHelp(session, helpLines)
}

function histogram(session: Session): void {
  const { args, reply, server } = session
  const shown: Command[] = []
  if (args.count === 2) shown.push(...server.commands.everyOne())
  for (let i = 2; i < args.count; i++) {
    const command = server.commands.named(args.string(i))
    if (command === undefined) continue
    shown.push(command, ...(command.subcommands?.all ?? []))
  }
  const called = server.config.values['latency-tracking'] ? shown.filter(({ stats }) => stats.calls > 0) : []
  reply.map(called.length)
  for (const { name, stats } of called) {
    reply.text(name)
    reply.map(2)
    reply.text('calls')
    reply.integer(stats.calls)
    reply.text('histogram_usec')
    replyBuckets(session, stats.histogram)
  }
}

/** Upper bounds in µs, and how many calls took at most so long. */
function replyBuckets({ reply }: Session, counts: Float64Array): void {
  reply.map(counts.reduce((used, count) => used + (count > 0 ? 1 : 0), 0))
  let sum = 0
  for (const [power, count] of counts.entries()) {
    if (count === 0) continue
    sum += count
    reply.integer(2 ** power)
    reply.integer(sum)
  }
}

function history({ args, server, reply }: Session): void {
  const samples = server.latency.events.get(args.string(2))?.samples ?? []
  reply.array(samples.length)
  for (const { wallSeconds, ms } of samples) {
    reply.array(2)
    reply.integer(wallSeconds)
    reply.integer(ms)
  }
}

function latest({ server, reply }: Session): void {
  const { events } = server.latency
  reply.array(events.size)
  for (const [name, { samples, maxMs }] of events) {
    const last = samples[samples.length - 1]
    reply.array(4)
    reply.text(name)
    reply.integer(last.wallSeconds)
    reply.integer(last.ms)
    reply.integer(maxMs)
  }
}

function reset({ args, server, reply }: Session): void {
  const { events } = server.latency
  let forgotten = 0
  if (args.count === 2) {
    forgotten = events.size
    events.clear()
  }
  for (let i = 2; i < args.count; i++) if (events.delete(args.string(i))) forgotten++
  reply.integer(forgotten)
}
