/**
 * Keys that staged work wants left alone: it makes something of a value as of one moment, and would have to begin anew whenever that changes. A request that
 * names such a key and writes waits until the work is done, as it would behind the command itself if that were not staged; who only reads does not.
 * What changes the key otherwise (a script that did not name it, an expiry) makes the work begin anew.
 */
import type { Arguments } from '../engine/arguments.ts'
import type { KeySpec } from '../engine/command.ts'
import { eachKey } from '../engine/key-positions.ts'
import type { Keyspace } from '../engine/keyspace/keyspace.ts'
import type { StagedJob, StagedWorkQueue } from './staged-work.ts'

interface Named {
  readonly command: { readonly isWrite: boolean; readonly spec: { readonly keys: KeySpec } }
  readonly args: Arguments
}

/** The work that wants a key left alone which one of the requests names that write; undefined if there is none. `database` as clients number it. */
export function holderOf(queue: StagedWorkQueue, keyspace: Keyspace, requests: readonly Named[], database: number): StagedJob | undefined {
  let holder: StagedJob | undefined
  const db = keyspace.logical[database]
  for (const { command, args } of requests) {
    if (!command.isWrite) continue
    eachKey(command.spec.keys, args, 0, (i) => {
      keyspace.forgetLookUp()
      const entry = keyspace.find(db, args.buffer, args.starts[i], args.ends[i])
      if (entry !== 0) holder ??= queue.holderOf(entry)
    })
  }
  keyspace.forgetLookUp()
  return holder
}
