/**
 * DEBUG subcommands that look at keys and values: OBJECT, DIGEST, DIGEST-VALUE, SDSLEN, LISTPACK, QUICKLIST, HTSTATS. None of
 * them counts as a use. Those that need a cold value read it beside other work, and never in a transaction.
 */
import type { Arguments } from '../../engine/arguments.ts'
import { hashType, packedForm, stringType } from '../../engine/keyspace/entries.ts'
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { encodingName, referenceCount } from '../../engine/keyspace/redis-encoding.ts'
import { usedBytes } from '../../engine/memory/packed-bytes.ts'
import { ColdSet } from '../../storage/cold-set.ts'
import type { Session } from '../session.ts'
import { datasetDigest, noDigest, valueDigest } from '../shard/dataset-digest.ts'
import { serializedBytes } from './serialized-length.ts'

const noSuchKey = 'ERR no such key'
const loading = 'LOADING Redis is loading the dataset in memory'
/** What a line of DEBUG OBJECT shows as an address is the slot's number, here. */
const addressBase = 0x7f0000000000

export function debugDigest(session: Session): void {
  const { server } = session
  readAsOfOneMoment(session, 'DIGEST', async () => {
    const digest = await datasetDigest({ ...server.primary, clock: server.clock })
    return () => session.reply.status(digest)
  })
}

export function debugDigestValue(session: Session): void {
  const { args, server, reply } = session
  readAsOfOneMoment(session, 'DIGEST-VALUE', async () => {
    const digests: string[] = []
    for (let i = 2; i < args.count; i++) {
      const entry = find(session, args, i)
      digests.push(entry === 0 ? noDigest : await valueDigest({ ...server.primary, clock: server.clock }, entry))
    }
    return () => {
      reply.array(digests.length)
      for (const digest of digests) reply.status(digest)
    }
  })
}

/** Work that must see all keys as of one moment, and takes many turns: requests wait at the gate meanwhile, and no key expires or is evicted. */
function readAsOfOneMoment(session: Session, name: string, work: () => Promise<() => void>): void {
  const { reply, server } = session
  if (server.isLoading) {
    reply.error(loading)
    return
  }
  if (session.inExec) {
    reply.error(`ERR DEBUG ${name} reads values beside other work, so it isn't allowed in a transaction`)
    return
  }
  const answer = session.inHand.defer('counted')
  const release = server.gate.hold()
  const { maintenance, primary } = server
  const resume = maintenance.holdChanges()
  work().then(
    (write) => {
      resume()
      release()
      answer(() => {
        session.hold(primary.log.appended, false)
        write()
      })
    },
    (failure: Error) => {
      resume()
      release()
      server.coldReadFailed(failure)
      answer(() => reply.error(`ERR a cold value could not be read: ${failure.message}`))
    },
  )
}

export function debugObject(session: Session): void {
  withValue(session, (keyspace, entry) => {
    const { entries, access } = keyspace
    const idle = keyspace.idleSeconds(entry)
    const lru = entries.isResident(entry) ? entries.access(entry) : (access.seconds - idle + 2 ** 24) % 2 ** 24
    const address = (addressBase + entries.value(entry) * 16).toString(16)
    session.reply.status(
      `Value at:0x${address} refcount:${referenceCount(keyspace, entry)} encoding:${encodingName(keyspace, entry)} ` +
        `serializedlength:${serializedBytes(keyspace, entry)} lru:${lru} lru_seconds_idle:${idle}`,
    )
  })
}

export function debugSdsLength(session: Session): void {
  withValue(session, (keyspace, entry) => {
    const { entries, values, arena } = keyspace
    if (entries.type(entry) !== stringType || encodingName(keyspace, entry) === 'int') {
      session.reply.error('ERR Not an sds encoded string.')
      return
    }
    const value = entries.value(entry)
    const length = entries.length(entry)
    session.reply.status(
      `key_sds_len:${entries.keyLength(entry)}, key_sds_avail:0, key_zmalloc: ${entries.footprint(entry)}, ` +
        `val_sds_len:${length}, val_sds_avail:${values.room(value) - length}, val_zmalloc: ${arena.capacity(value)}`,
    )
  })
}

export function debugListpack(session: Session): void {
  withValue(session, (keyspace, entry) => {
    const { entries, values } = keyspace
    if (entries.encoding(entry) !== packedForm) {
      session.reply.error('ERR Not a listpack encoded object.')
      return
    }
    const value = entries.value(entry)
    const bytes = usedBytes(values.bytes(value), values.start(value))
    session.server.log.info('DEBUG LISTPACK', { fields: entries.length(entry), bytes, room: values.room(value) })
    session.reply.status('Listpack structure printed on stdout')
  })
}

/** There are no lists yet. */
export function debugQuicklist(session: Session): void {
  withValue(session, () => session.reply.error('ERR Not a quicklist encoded object.'))
}

export function debugHashTable({ args, reply, server }: Session): void {
  const number = args.integer(2)
  if (Number.isNaN(number)) {
    reply.error('ERR value is not an integer or out of range')
    return
  }
  if (number < 0 || number >= server.config.values.databases) {
    reply.error('ERR Out of range database')
    return
  }
  if (server.isLoading) {
    reply.error(loading)
    return
  }
  const { keyspace } = server.primary
  const { index, expiring } = keyspace.databases[keyspace.logical[number]!]!
  reply.verbatim('txt', `[Dictionary HT]\n${tableText(index.size, index.places)}[Expires HT]\n${tableText(expiring.keys, expiring.keys)}`)
}

export function debugHashTableOfKey(session: Session): void {
  withValue(session, (keyspace, entry) => {
    const { entries } = keyspace
    const isTable = entries.type(entry) === hashType && encodingName(keyspace, entry) === 'hashtable'
    if (isTable) session.reply.verbatim('txt', tableText(entries.length(entry), entries.length(entry)))
    else session.reply.error('ERR The value stored at the specified key is not represented using an hash table')
  })
}

/** In Redis's form. Tables here are open: each place has one element or none, and there are no chains. */
function tableText(elements: number, places: number): string {
  const head = 'Hash table 0 stats (main hash table):\n'
  if (elements === 0) return `${head}No stats available for empty dictionaries\n`
  const share = (count: number): string => `${count} (${((100 * count) / places).toFixed(2)}%)`
  const free = places - elements
  return (
    `${head} table size: ${places}\n number of elements: ${elements}\n different slots: ${elements}\n max chain length: 1\n` +
    ' avg chain length (counted): 1.00\n avg chain length (computed): 1.00\n Chain length distribution:\n' +
    `${free > 0 ? `   0: ${share(free)}\n` : ''}   1: ${share(elements)}\n`
  )
}

/** Calls `write` with the entry of the key that is argument 2; a cold string or small hash is fetched before. A large hash may stay cold. */
function withValue(session: Session, write: (keyspace: Keyspace, entry: number) => void): void {
  const { args, reply, server } = session
  if (server.isLoading) {
    reply.error(loading)
    return
  }
  const { tier, keyspace, log } = server.primary
  const entry = find(session, args, 2)
  const answerNow = (): void => {
    const now = find(session, args, 2)
    if (now === 0) reply.error(noSuchKey)
    else write(keyspace, now)
    session.hold(log.appended, false)
  }
  const { entries } = keyspace
  if (entry === 0 || entries.isTree(entry) || entries.isResident(entry)) {
    answerNow()
    return
  }
  if (session.inExec) {
    reply.error("ERR the value is cold, and a transaction can't wait for it here")
    return
  }
  const set = new ColdSet(keyspace.trees)
  set.value(entry, entries.valueId(entry))
  const answer = session.inHand.defer('counted')
  tier.fetch(set).then(
    () => {
      tier.admit(set)
      // Should it have become cold once more, it is asked for again.
      const now = find(session, args, 2)
      if (now === 0 || entries.isResident(now)) answer(answerNow)
      else answer(() => reply.error('ERR the value left memory while it was looked at; try again'))
      tier.settle()
    },
    (failure: Error) => {
      server.coldReadFailed(failure)
      answer(() => reply.error(`ERR a cold value could not be read: ${failure.message}`))
    },
  )
}

/** The entry of a key, without deleting it when it has expired; 0 when there is none. */
function find({ database, server }: Session, args: Arguments, index: number): number {
  const { keyspace } = server.primary
  keyspace.forgetLookUp()
  const entry = keyspace.find(keyspace.logical[database]!, args.buffer, args.start(index), args.end(index))
  keyspace.forgetLookUp()
  if (entry === 0) return 0
  const expireAt = keyspace.entries.expireAt(entry)
  return expireAt !== 0 && expireAt < server.clock.wallMs() ? 0 : entry
}
