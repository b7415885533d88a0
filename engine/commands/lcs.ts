/**
 * LCS: the longest common subsequence of two strings, by the textbook's table of prefix lengths (Wagner and Fischer's
 * dynamic programming), walked back from its end. Where two ways are equally good the walk goes Redis's way, so that
 * the same subsequence and the same ranges come out.
 */
import type { EngineCommand } from '../command.ts'
import { keysIn } from '../command.ts'
import type { Execution } from '../execution.ts'
import { stringType } from '../keyspace/entries.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import { notAnInteger, syntaxError } from './errors.ts'

const notStrings = 'ERR The specified keys must contain string values'
const lengthOrIndexes = 'ERR If you want both the length and indexes, please just use IDX.'
const tableTooLarge = 'ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len'
const nothing = Buffer.alloc(0)

export const lcsCommands = {
  LCS: {
    arity: -3,
    flags: ['readonly'],
    keys: keysIn(1, 2, 1, 'RO', 'access'),
    categories: ['string'],
    group: 'string',
    since: '7.0.0',
    complexity: 'O(N*M) where N and M are the lengths of the strings',
    syntax: 'key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]',
    summary: 'Finds the longest common subsequence of two strings.',
    handler: lcs,
  },
} as const satisfies Record<string, EngineCommand>

interface LcsOptions {
  length: boolean
  indexes: boolean
  withMatchLength: boolean
  matchLengthMin: number
}

function lcs(x: Execution): void {
  const first = x.read(1)
  const second = x.read(2)
  const { entries } = x.keyspace
  if ((first !== 0 && entries.type(first) !== stringType) || (second !== 0 && entries.type(second) !== stringType)) {
    x.reply.error(notStrings)
    return
  }
  const options = readOptions(x)
  if (options === undefined) return
  const a = first === 0 ? nothing : x.stringBytes(first).subarray(x.stringStart(first), x.stringEnd(first))
  const b = second === 0 ? nothing : x.stringBytes(second).subarray(x.stringStart(second), x.stringEnd(second))
  if ((a.length + 1) * (b.length + 1) * 4 > x.limits.protoMaxBulkBytes) {
    x.reply.error(tableTooLarge)
    return
  }
  const table = prefixLengths(a, b)
  const length = table[table.length - 1]
  if (options.indexes) replyRanges(x.reply, a, b, table, options)
  else if (options.length) x.reply.integer(length)
  else replySubsequence(x.reply, a, b, table)
}

function readOptions(x: Execution): LcsOptions | undefined {
  const { args, reply } = x
  const options: LcsOptions = { length: false, indexes: false, withMatchLength: false, matchLengthMin: 0 }
  for (let i = 3; i < args.count; i++) {
    if (args.is(i, 'IDX')) options.indexes = true
    else if (args.is(i, 'LEN')) options.length = true
    else if (args.is(i, 'WITHMATCHLEN')) options.withMatchLength = true
    else if (args.is(i, 'MINMATCHLEN') && i + 1 < args.count) {
      const least = args.bigInteger(++i)
      if (least === undefined) {
        reply.error(notAnInteger)
        return undefined
      }
      options.matchLengthMin = Math.max(0, Number(least))
    } else {
      reply.error(syntaxError)
      return undefined
    }
  }
  if (options.indexes && options.length) {
    reply.error(lengthOrIndexes)
    return undefined
  }
  return options
}

/** At i × (|b| + 1) + j the length for the first i bytes of `a` and the first j of `b`. */
function prefixLengths(a: Uint8Array, b: Uint8Array): Uint32Array {
  const width = b.length + 1
  const table = new Uint32Array((a.length + 1) * width)
  for (let i = 1; i <= a.length; i++) {
    const byte = a[i - 1]
    const row = i * width
    const above = row - width
    for (let j = 1; j < width; j++) {
      if (byte === b[j - 1]) table[row + j] = table[above + j - 1] + 1
      else {
        const up = table[above + j]
        const left = table[row + j - 1]
        table[row + j] = Math.max(up, left)
      }
    }
  }
  return table
}

function replySubsequence(reply: ReplyWriter, a: Uint8Array, b: Uint8Array, table: Uint32Array): void {
  const width = b.length + 1
  const result = new Uint8Array(table[table.length - 1])
  let left = result.length
  let i = a.length
  let j = b.length
  while (i > 0 && j > 0) {
    if (a[i - 1] === b[j - 1]) {
      result[--left] = a[i - 1]
      i--
      j--
    } else if (table[(i - 1) * width + j] > table[i * width + j - 1]) i--
    else j--
  }
  reply.bulk(result, 0, result.length)
}

/** Runs of matches that are contiguous in both strings, from the last to the first. */
function replyRanges(reply: ReplyWriter, a: Uint8Array, b: Uint8Array, table: Uint32Array, options: LcsOptions): void {
  const width = b.length + 1
  reply.map(2)
  reply.text('matches')
  const matches = reply.arrayDeferred()
  let count = 0
  let i = a.length
  let j = b.length
  while (i > 0 && j > 0) {
    if (a[i - 1] !== b[j - 1]) {
      if (table[(i - 1) * width + j] > table[i * width + j - 1]) i--
      else j--
      continue
    }
    let length = 0
    while (length < i && length < j && a[i - 1 - length] === b[j - 1 - length]) length++
    i -= length
    j -= length
    if (length < options.matchLengthMin) continue
    replyRange(reply, i, j, length, options.withMatchLength)
    count++
  }
  reply.resolve(matches, count)
  reply.text('len')
  reply.integer(table[table.length - 1])
}

function replyRange(reply: ReplyWriter, i: number, j: number, length: number, withLength: boolean): void {
  reply.array(withLength ? 3 : 2)
  reply.array(2)
  reply.integer(i)
  reply.integer(i + length - 1)
  reply.array(2)
  reply.integer(j)
  reply.integer(j + length - 1)
  if (withLength) reply.integer(length)
}
