/** Client-side caching: CLIENT TRACKING and its kin. What it does is in `server/tracking/`. */
import { noKeys } from '../../engine/command.ts'
import type { Session, SessionCommand } from '../session.ts'
import type { TrackingOptions } from '../tracking/tracked-client.ts'
import { notAnInteger, syntaxError } from './requests.ts'

const about = {
  keys: noKeys,
  categories: ['connection'],
  group: 'connection',
  complexity: 'O(1)',
  flags: ['noscript', 'loading', 'stale'],
} as const

export const clientTrackingCommands = {
  'CLIENT CACHING': {
    ...about,
    arity: 3,
    since: '6.0.0',
    syntax: '<YES | NO>',
    summary: 'Decides whether the keys of the next command are tracked, in OPTIN and OPTOUT mode.',
    handler: caching,
  },
  'CLIENT GETREDIR': {
    ...about,
    arity: 2,
    since: '6.0.0',
    syntax: '',
    summary: 'Returns the number of the connection that gets the messages of tracking.',
    handler: getRedirect,
  },
  'CLIENT TRACKING': {
    ...about,
    arity: -3,
    since: '6.0.0',
    complexity: 'O(1), and O(N) where N is the number of prefixes',
    syntax: '<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]',
    summary: 'Has the server tell the connection when keys that it has read change.',
    handler: tracking,
  },
  'CLIENT TRACKINGINFO': {
    ...about,
    arity: 2,
    since: '6.2.0',
    syntax: '',
    summary: 'Tells what is tracked for the connection.',
    handler: trackingInfo,
  },
} as const satisfies Record<string, SessionCommand>

interface Wanted {
  options: TrackingOptions
  /** As Latin-1. */
  readonly prefixes: string[]
}

const notBroadcast = 'ERR PREFIX option requires BCAST mode to be enabled'
const otherMode =
  "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode."
const optBroadcast = 'ERR OPTIN and OPTOUT are not compatible with BCAST'
const bothOpt = "ERR You can't specify both OPTIN mode and OPTOUT mode"
const otherOpt =
  "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode."

function tracking(session: Session): void {
  const { args, reply, server } = session
  const wanted: Wanted = { options: { redirect: 0, broadcasts: false, optsIn: false, optsOut: false, noLoop: false }, prefixes: [] }
  for (let i = 3; i < args.count; ) {
    const read = readOption(session, i, wanted)
    if (read === 0) return
    i += read
  }
  if (args.is(2, 'ON')) {
    const refusal = refusalOf(session, wanted)
    if (refusal !== undefined) {
      reply.error(refusal)
      return
    }
    session.tracked = server.tracking.turnOn(session, session.tracked, wanted.options, wanted.prefixes)
  } else if (!args.is(2, 'OFF')) {
    reply.error(syntaxError)
    return
  } else if (session.tracked !== undefined) server.tracking.turnOff(session.tracked)
  reply.ok()
}

/** Returns how many arguments the option at `index` takes, or 0 when the error is written. */
function readOption({ args, reply, server }: Session, index: number, wanted: Wanted): number {
  const { options } = wanted
  const hasMore = index + 1 < args.count
  if (args.is(index, 'REDIRECT') && hasMore) {
    const id = args.bigInteger(index + 1)
    if (options.redirect !== 0) reply.error('ERR A client can only redirect to a single other client')
    else if (id === undefined) reply.error(notAnInteger)
    else if (!server.sessions.has(Number(id))) reply.error('ERR The client ID you want redirect to does not exist')
    else {
      wanted.options = { ...options, redirect: Number(id) }
      return 2
    }
    return 0
  }
  if (args.is(index, 'PREFIX') && hasMore) {
    wanted.prefixes.push(args.string(index + 1, 'latin1'))
    return 2
  }
  if (args.is(index, 'BCAST')) wanted.options = { ...options, broadcasts: true }
  else if (args.is(index, 'OPTIN')) wanted.options = { ...options, optsIn: true }
  else if (args.is(index, 'OPTOUT')) wanted.options = { ...options, optsOut: true }
  else if (args.is(index, 'NOLOOP')) wanted.options = { ...options, noLoop: true }
  else {
    reply.error(syntaxError)
    return 0
  }
  return 1
}

function refusalOf({ tracked }: Session, { options, prefixes }: Wanted): string | undefined {
  const former = tracked?.isOn === true ? tracked.options : undefined
  if (!options.broadcasts && prefixes.length > 0) return notBroadcast
  if (former !== undefined && former.broadcasts !== options.broadcasts) return otherMode
  if (options.broadcasts && (options.optsIn || options.optsOut)) return optBroadcast
  if (options.optsIn && options.optsOut) return bothOpt
  if (former !== undefined && ((options.optsIn && former.optsOut) || (options.optsOut && former.optsIn))) return otherOpt
  return overlap(tracked?.prefixes ?? new Set(), prefixes)
}

/** A client's prefixes must not overlap: it would be told twice. */
function overlap(former: ReadonlySet<string>, prefixes: readonly string[]): string | undefined {
  for (const [i, prefix] of prefixes.entries()) {
    for (const each of [...former].sort()) {
      if (overlaps(each, prefix)) return overlapText(prefix, `an existing prefix '${each}'`)
    }
    for (const each of prefixes.slice(i + 1)) if (overlaps(prefix, each)) return overlapText(prefix, `another provided prefix '${each}'`)
  }
  return undefined
}

function overlaps(a: string, b: string): boolean {
  return a.startsWith(b) || b.startsWith(a)
}

function overlapText(prefix: string, other: string): string {
  return `ERR Prefix '${prefix}' overlaps with ${other}. Prefixes for a single client must not overlap.`
}

function caching({ args, reply, tracked }: Session): void {
  const yes = args.is(2, 'YES')
  if (tracked?.isOn !== true) {
    reply.error('ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled')
  } else if (!yes && !args.is(2, 'NO')) reply.error(syntaxError)
  else if (yes && !tracked.options.optsIn) reply.error('ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.')
  else if (!yes && !tracked.options.optsOut) reply.error('ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.')
  else {
    tracked.isException = true
    reply.ok()
  }
}

function getRedirect(session: Session): void {
  session.reply.integer(redirectOf(session))
}

/** −1 without tracking. */
function redirectOf({ tracked }: Session): number {
  return tracked?.isOn === true ? tracked.options.redirect : -1
}

function trackingInfo(session: Session): void {
  const { reply, tracked } = session
  const flags = flagsOf(session)
  reply.map(3)
  reply.text('flags')
  reply.set(flags.length)
  for (const flag of flags) reply.text(flag)
  reply.text('redirect')
  reply.integer(redirectOf(session))
  reply.text('prefixes')
  const prefixes = [...(tracked?.prefixes ?? [])].sort()
  reply.array(prefixes.length)
  for (const prefix of prefixes) {
    const bytes = Buffer.from(prefix, 'latin1')
    reply.bulk(bytes, 0, bytes.length)
  }
}

function flagsOf({ tracked }: Session): string[] {
  if (tracked?.isOn !== true) return ['off']
  const { options, isException, isBroken } = tracked
  const flags = ['on']
  if (options.broadcasts) flags.push('bcast')
  if (options.optsIn) flags.push('optin')
  if (options.optsIn && isException) flags.push('caching-yes')
  if (options.optsOut) flags.push('optout')
  if (options.optsOut && isException) flags.push('caching-no')
  if (options.noLoop) flags.push('noloop')
  if (isBroken) flags.push('broken_redirect')
  return flags
}
