/**
 * Deletion for lack of memory, as `maxmemory-policy` says: the best of a few sampled keys goes, as in Redis ("Key
 * eviction" in its documentation). Only for when values cannot be moved to disk instead.
 */
import type { Execution } from './execution.ts'
import { keyEvicted } from './keyspace/key-change.ts'
import { databaseCount } from './keyspace/keyspace.ts'
import { evictedEvent } from './messages.ts'

export type EvictionPolicy =
  | 'volatile-lru'
  | 'allkeys-lru'
  | 'volatile-lfu'
  | 'allkeys-lfu'
  | 'volatile-random'
  | 'allkeys-random'
  | 'volatile-ttl'
  | 'noeviction'

/** Deletes one key; false when the policy finds none. */
export function evictOne(x: Execution, policy: EvictionPolicy, samples: number): boolean {
  if (policy === 'noeviction') return false
  const { keyspace } = x
  let best = 0
  let bestScore = Number.NEGATIVE_INFINITY
  for (let db = 0; db < databaseCount; db++) {
    const { index, expiring } = keyspace.databases[db]
    const volatileOnly = policy.startsWith('volatile')
    const size = volatileOnly ? expiring.length : index.size
    for (let i = 0; i < samples && size > 0; i++) {
      const ref = volatileOnly ? expiring.at(x.random.nextUint32() % size) : keyspace.randomEntry(db)
      if (volatileOnly && keyspace.entries.expireAt(ref) === 0) continue
      const score = scoreOf(x, ref, policy)
      if (score <= bestScore) continue
      best = ref
      bestScore = score
    }
  }
  if (best === 0) return false
  x.notifyEntry(evictedEvent, 'evicted', best)
  x.mutator.deleteEntry(best, keyEvicted)
  return true
}

/** The higher, the sooner it goes. */
function scoreOf(x: Execution, ref: number, policy: EvictionPolicy): number {
  const { entries, access } = x.keyspace
  if (policy === 'volatile-ttl') return -entries.expireAt(ref)
  if (policy.endsWith('random')) return 0
  // A cold value has not been used for longer than any in memory.
  if (!entries.isResident(ref)) return Number.MAX_SAFE_INTEGER
  const field = entries.access(ref)
  return policy.endsWith('lfu') ? 255 - access.frequency(field) : access.idleSeconds(field)
}
