/** How a command's row says what is to be fetched from the cold store before the command runs. */
import type { Arguments } from './arguments.ts'
import type { Keyspace } from './keyspace/keyspace.ts'
import type { Separator } from './tree/separator.ts'

/** Told of what is wanted and cold. */
export interface ColdWants {
  /** The value of an entry. */
  value(entry: number, valueId: number): void
  /** The leaf of a tree whose range begins at `separator`, which is valid during the call. */
  leaf(root: number, separator: Separator, valueId: number): void
}

/** Names what a request wants of an entry of which something is cold. `keyIndex` is the argument that is its key. */
export type WantsOf = (keyspace: Keyspace, entry: number, args: Arguments, keyIndex: number, wants: ColdWants) => void

/** As `WantsOf`, of a command that reads more than its keys: asked also where nothing of its key is cold. */
export interface WantsBeyond {
  /** For docs/commands.md. */
  readonly name: string
  readonly wantsBeyond: WantsOf
}

/** The whole value, nothing (metadata is enough), or what a function names. */
export type Need = 'value' | 'none' | WantsOf | WantsBeyond
