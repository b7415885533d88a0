/** What a request wants of the cold store before it runs, by the row of its command. */
import type { Arguments } from './arguments.ts'
import { hasCold, wantValue } from './cold-wants.ts'
import type { KeySpec } from './command.ts'
import { eachKey } from './key-positions.ts'
import type { Keyspace } from './keyspace/keyspace.ts'
import type { ColdWants, Need } from './need.ts'

/** Which arguments are keys, see `KeySpec`. */
interface KeyPositions {
  readonly first: number
  readonly last: number
  readonly step: number
}

/** Names what a request wants of its keys, in the physical database `db`. */
export function requestWants(
  keyspace: Keyspace,
  need: Need,
  keys: KeyPositions | KeySpec,
  args: Arguments,
  db: number,
  wants: ColdWants,
): void {
  if (need === 'none') return
  if ('movable' in keys && keys.movable === true) {
    eachKey(keys, args, 0, (i) => keyWants(keyspace, need, i, args, db, wants))
    return
  }
  if (keys.first === 0) return
  const end = keys.last < 0 ? args.count + keys.last : keys.last
  for (let i = keys.first; i <= end && i < args.count; i += keys.step) keyWants(keyspace, need, i, args, db, wants)
}

function keyWants(keyspace: Keyspace, need: Need, index: number, args: Arguments, db: number, wants: ColdWants): void {
  const entry = keyspace.find(db, args.buffer, args.starts[index], args.ends[index])
  if (entry === 0 || need === 'none') return
  if (typeof need === 'object') need.wantsBeyond(keyspace, entry, args, index, wants)
  if (typeof need === 'object' || !hasCold(keyspace, entry)) return
  if (need === 'value') wantValue(keyspace, entry, wants)
  else need(keyspace, entry, args, index, wants)
}
