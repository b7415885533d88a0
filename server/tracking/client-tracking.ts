/**
 * Client-side caching (Redis's documentation, "Client-side caching in Redis"): clients are told when keys that they have read change, so
 * that they can keep copies. It hears of every change from the table of interests, within the change; what it has to say leaves when the
 * record that the change belongs to is committed, and not before. Whoever reads afterwards sees the new value.
 *
 * A value that moves between memory and disk changes nothing for a client, and nobody is told.
 *
 * While no client has asked for tracking, it does not listen, and costs a comparison for a command.
 */
import type { Arguments } from '../../engine/arguments.ts'
import type { KeyListener } from '../../engine/keyspace/interested-party.ts'
import type { KeyInterest } from '../../engine/keyspace/key-interest.ts'
import { isMemoryRefusal } from '../../engine/memory/refusal.ts'
import type { Random } from '../../engine/random.ts'
import { keysOf } from '../command-keys.ts'
import type { Command } from '../command-table.ts'
import type { Turn } from '../network/turn.ts'
import { Invalidation, redirectBroken } from './invalidation.ts'
import { Prefixes } from './prefixes.ts'
import type { Receiver, TrackingOptions } from './tracked-client.ts'
import { TrackedClient } from './tracked-client.ts'
import { TrackedKeys } from './tracked-keys.ts'

export interface TrackingHost {
  readonly turn: Turn
  readonly random: Random
  readonly clients: ReadonlyMap<number, Receiver>
  /** `tracking-table-max-keys`; 0: no limit. */
  readonly keysMax: number
  /** Whether what waits for this LSN waits in vain, because the log has failed. */
  isLost(lsn: number): boolean
}

/** Keys that are given up in a turn when the limit has been lowered. */
const givenUpPerTurn = 1000
/** Measured: what is known of one client. */
const clientBytes = 400

interface Pending {
  readonly tracked: TrackedClient
  readonly invalidation: Invalidation
}

export class ClientTracking implements KeyListener {
  /** Whether any client that is connected has ever asked for tracking. */
  isActive = false
  readonly #host: TrackingHost
  readonly #known = new Map<number, TrackedClient>()
  readonly #prefixes = new Prefixes()
  #interest: KeyInterest | undefined
  #keys: TrackedKeys | undefined
  #numbers = 0
  /** What the record in hand has to say. */
  #pending: Pending[] = []
  /** Keys that the record in hand has changed while there are prefixes, and who did. */
  #changed: { readonly name: string; readonly changer: TrackedClient | undefined }[] = []
  /** Whether the record in hand has anything to say. */
  #awaitsRecord = false
  /** The newest record of which clients with prefixes are still to be told. */
  #broadcastLsn = 0
  #hasBroadcasts = false
  /** The client whose command is being executed, and whether its command has emptied a database already. */
  #current: TrackedClient | undefined
  #hasFlushed = false
  /** Whether a script has the command executed. */
  #inScript = false

  constructor(host: TrackingHost) {
    this.#host = host
    host.turn.beforeFlush(() => this.#turnEnds())
  }

  /** Clients that are being told. */
  get clients(): number {
    let count = 0
    for (const { isOn } of this.#known.values()) if (isOn) count++
    return count
  }

  get keys(): number {
    return this.#keys?.size ?? 0
  }

  get items(): number {
    return this.#keys?.items ?? 0
  }

  get prefixes(): number {
    return this.#prefixes.size
  }

  get bytes(): number {
    return (this.#keys?.bytes ?? 0) + this.#prefixes.bytes + this.#known.size * clientBytes
  }

  /** Another shard serves from now on; what changes in it is told by this table. */
  connect(interest: KeyInterest): void {
    this.#interest = interest
    // What a former shard had not committed is gone, with everybody who was to hear of it; its LSNs come again.
    this.#broadcastLsn = 0
    if (this.isActive) interest.listener = this
  }

  /** CLIENT TRACKING ON. Options that cannot be are refused before. */
  turnOn(client: Receiver, former: TrackedClient | undefined, options: TrackingOptions, prefixes: readonly string[]): TrackedClient {
    const tracked = former ?? this.#begin(client)
    tracked.isOn = true
    tracked.isBroken = false
    tracked.options = options
    if (options.broadcasts && prefixes.length === 0) this.#prefixes.join(tracked, '')
    for (const prefix of prefixes) this.#prefixes.join(tracked, prefix)
    return tracked
  }

  /** CLIENT TRACKING OFF. What the client has read stays known: it may turn tracking on again. */
  turnOff(tracked: TrackedClient): void {
    this.#prefixes.leave(tracked)
    tracked.turnOff()
  }

  /** A client leaves. With the last one everything is forgotten. */
  left(tracked: TrackedClient): void {
    this.turnOff(tracked)
    this.#known.delete(tracked.number)
    if (this.#known.size > 0) return
    this.isActive = false
    this.#keys = undefined
    if (this.#interest?.listener === this) this.#interest.listener = undefined
  }

  /** A command of this client is about to be executed. Only called while `isActive`. */
  begins(tracked: TrackedClient | undefined, inScript: boolean): void {
    this.#current = tracked
    this.#inScript = inScript
    this.#hasFlushed = false
  }

  /** The command has been executed. */
  ends(): void {
    this.#current = undefined
    this.#inScript = false
  }

  /** A client has had a command executed that reads: it will be told when the keys change. Only called while `isActive`. */
  read(tracked: TrackedClient, command: Command, args: Arguments): void {
    if (!tracked.remembers) return
    const keys = keysOf(command, args, 0) ?? []
    for (const { index } of keys) this.#remember(tracked, args.buffer, args.start(index), args.end(index))
    this.#giveUp(keys.length)
  }

  keyTouched(_database: number, key: Uint8Array, start: number, end: number): void {
    const readers = this.#keys?.take(key, start, end)
    const broadcasts = this.#prefixes.size > 0
    if (readers === undefined && !broadcasts) return
    const name = Buffer.from(key.buffer, key.byteOffset + start, end - start).toString('latin1')
    if (readers !== undefined) this.#gather(readers, Invalidation.of([name]))
    // As in Redis, what a script changes is told to its own client in this mode, even with NOLOOP.
    if (broadcasts) {
      this.#changed.push({ name, changer: this.#inScript ? undefined : this.#current })
      this.#awaitsRecord = true
    }
  }

  /** Everybody forgets everything; once for a command, whatever number of databases it empties. */
  databaseTouched(): void {
    if (this.#hasFlushed) return
    this.#hasFlushed = true
    this.#awaitsRecord = true
    this.#keys = undefined
    const invalidation = Invalidation.everything()
    for (const tracked of this.#known.values()) if (tracked.isOn) this.#pending.push({ tracked, invalidation })
  }

  recorded(lsn: number): void {
    if (!this.#awaitsRecord) return
    this.#awaitsRecord = false
    if (this.#current === undefined) this.#hasFlushed = false
    const pending = this.#pending
    const changed = this.#changed
    this.#pending = []
    this.#changed = []
    if (this.#host.isLost(lsn)) return
    for (const { tracked, invalidation } of pending) this.#send(tracked, invalidation, lsn)
    let isMatched = false
    for (const { name, changer } of changed) if (this.#prefixes.touched(name, changer)) isMatched = true
    if (!isMatched) return
    this.#broadcastLsn = Math.max(this.#broadcastLsn, lsn)
    this.#hasBroadcasts = true
    this.#host.turn.schedule()
  }

  #begin(client: Receiver): TrackedClient {
    const tracked = new TrackedClient(++this.#numbers, client)
    this.#known.set(tracked.number, tracked)
    this.isActive = true
    if (this.#interest !== undefined) this.#interest.listener = this
    return tracked
  }

  #remember(tracked: TrackedClient, key: Uint8Array, start: number, end: number): void {
    this.#keys ??= new TrackedKeys(this.#host.random)
    try {
      this.#keys.add(key, start, end, tracked.number)
    } catch (failure) {
      if (!isMemoryRefusal(failure)) throw failure
      // What cannot be remembered is not to be kept.
      this.#send(tracked, Invalidation.of([Buffer.from(key.subarray(start, end)).toString('latin1')]), 0)
    }
  }

  /** Adds those of the clients to the pending that are to be told. */
  #gather(clients: Iterable<number>, invalidation: Invalidation): void {
    for (const number of clients) {
      const tracked = this.#known.get(number)
      if (tracked === undefined || !tracked.isOn || tracked.options.broadcasts) continue
      if (tracked.options.noLoop && tracked === this.#current) continue
      this.#pending.push({ tracked, invalidation })
      this.#awaitsRecord = true
    }
  }

  /** Forgets keys beyond the limit, up to so many; their readers are told to forget them, too. */
  #giveUp(most: number): void {
    const { keysMax } = this.#host
    const keys = this.#keys
    if (keys === undefined || keysMax === 0) return
    for (let left = most; left > 0 && keys.size > keysMax; left--) {
      keys.takeAny((key, clients) => {
        const invalidation = Invalidation.of([key.toString('latin1')])
        for (const number of clients) {
          const tracked = this.#known.get(number)
          if (tracked?.isOn === true && !tracked.options.broadcasts) this.#send(tracked, invalidation, 0)
        }
      })
    }
  }

  #turnEnds(): void {
    if (!this.isActive) return
    if (this.#hasBroadcasts) {
      const lsn = this.#broadcastLsn
      this.#hasBroadcasts = false
      this.#broadcastLsn = 0
      this.#prefixes.announce((tracked, invalidation) => this.#send(tracked, invalidation, lsn))
    }
    this.#giveUp(givenUpPerTurn)
    const { keysMax, turn } = this.#host
    if (keysMax > 0 && this.keys > keysMax) turn.schedule()
  }

  #send(tracked: TrackedClient, invalidation: Invalidation, lsn: number): void {
    const { redirect } = tracked.options
    if (redirect === 0) {
      const { connection, reply } = tracked.client
      if (reply.protocol === 3) connection.push(invalidation.bytes(3), lsn)
      return
    }
    const receiver = this.#host.clients.get(redirect)
    if (receiver === undefined) {
      tracked.isBroken = true
      if (tracked.client.reply.protocol === 3) tracked.client.connection.push(redirectBroken(redirect), lsn)
    } else if (receiver.reply.protocol === 3) receiver.connection.push(invalidation.bytes(3), lsn)
    else if (receiver.subscribed) receiver.connection.push(invalidation.bytes(2), lsn)
  }
}
