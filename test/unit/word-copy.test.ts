/** Copies by words: every length and place, and nothing but what they say is written. */
import { describe, expect, it } from 'vitest'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import {
  byteCopyBytesMax,
  copyBetweenViews,
  copyBytes,
  copyFromWords,
  copyToWords,
  wordCopyBytesMax,
  wordView,
} from '../../engine/memory/word-copy.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import { ReplyWriter } from '../../engine/reply-writer.ts'
import { chance } from '../chance.ts'

const source = Buffer.from(Array.from({ length: 256 }, (_, i) => 255 - i))
const lengths = [...Array(41).keys(), wordCopyBytesMax - 1, wordCopyBytesMax]

describe('copies by words', () => {
  it('write the bytes, and from words at most three more', () => {
    const words = new Uint32Array(source.buffer.slice(source.byteOffset, source.byteOffset + 256))
    for (const length of lengths) {
      for (let at = 0; at < 8; at++) {
        const target = Buffer.alloc(256, 0x55)
        copyFromWords(words, 1, wordView(target), at, length)
        expect(target.subarray(at, at + length)).toEqual(source.subarray(4, 4 + length))
        expect(target.subarray(0, at).every((byte) => byte === 0x55)).toBe(true)
        expect(target.subarray(at + length + 3).every((byte) => byte === 0x55)).toBe(true)
      }
    }
  })

  it('read no byte behind the last, and leave the words behind it', () => {
    for (const length of lengths) {
      for (let at = 0; at < 8; at++) {
        const bytes = Buffer.from(source.subarray(0, at + length))
        const words = new Uint32Array(64).fill(0x55555555)
        copyToWords(wordView(bytes), at, words, 1, length)
        const copied = Buffer.from(words.buffer)
        expect(copied.subarray(4, 4 + length)).toEqual(source.subarray(at, at + length))
        expect([words[0], words[1 + Math.ceil(length / 4)]]).toEqual([0x55555555, 0x55555555])
      }
    }
  })

  it('between views read and write the bytes and no others', () => {
    for (const length of lengths) {
      for (let at = 0; at < 8; at++) {
        const bytes = Buffer.from(source.subarray(0, at + length))
        const target = Buffer.alloc(7 - at + length, 0x55)
        copyBetweenViews(wordView(bytes), at, wordView(target), 7 - at, length)
        expect(target.subarray(7 - at)).toEqual(source.subarray(at, at + length))
        expect(target.subarray(0, 7 - at).every((byte) => byte === 0x55)).toBe(true)
      }
    }
  })

  it('of short ranges byte by byte write the bytes and no others', () => {
    for (let length = 0; length <= byteCopyBytesMax; length++) {
      const target = Buffer.alloc(length + 2, 0x55)
      expect(copyBytes(source, 5, 5 + length, target, 1)).toBe(1 + length)
      expect(target.subarray(1, 1 + length)).toEqual(source.subarray(5, 5 + length))
      expect([target[0], target[length + 1]]).toEqual([0x55, 0x55])
    }
  })

  it('store and reply the values of requests that were prefetched for', () => {
    const random = chance(1)
    const keyspace = new Keyspace(random, noObserver)
    const mutator = new Mutator(keyspace)
    const { entries, values, arena, cachePrefetch } = keyspace
    const request = Buffer.concat([Buffer.from('k'), source])
    cachePrefetch.fetch(keyspace.databases[0]!.index, request, Int32Array.of(0), Int32Array.of(1), 1)
    expect(cachePrefetch.viewOf(request)).toBeDefined()
    for (const length of lengths) {
      mutator.begin(length + 1)
      const entry = mutator.putString(0, request, 0, 1, request, 3, 3 + length, 0)
      const value = entries.value(entry)
      const reply = new ReplyWriter()
      reply.bulkWords(arena.words(value), values.startWord(value), length)
      reply.bulk(request, 3, 3 + length)
      const sent = reply.output.takeAll()
      expect(sent.subarray(0, sent.length / 2)).toEqual(sent.subarray(sent.length / 2))
    }
  })
})
