/** ACL categories: those that a command's row names and those that follow from its flags, in Redis's order. */
import type { Command } from './command-table.ts'

const order = [
  'keyspace',
  'read',
  'write',
  'set',
  'sortedset',
  'list',
  'hash',
  'string',
  'bitmap',
  'hyperloglog',
  'geo',
  'stream',
  'pubsub',
  'admin',
  'fast',
  'slow',
  'blocking',
  'dangerous',
  'connection',
  'transaction',
  'scripting',
]

export function aclCategories({ spec }: Command): string[] {
  const flags = new Set<string>(spec.flags)
  const categories = new Set<string>(spec.categories)
  if (flags.has('write')) categories.add('write')
  if (flags.has('readonly') && !categories.has('scripting')) categories.add('read')
  if (flags.has('admin')) categories.add('admin').add('dangerous')
  if (flags.has('pubsub')) categories.add('pubsub')
  if (flags.has('blocking')) categories.add('blocking')
  categories.add(flags.has('fast') ? 'fast' : 'slow')
  return order.filter((category) => categories.has(category))
}
