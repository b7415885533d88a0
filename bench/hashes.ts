/** Hashes that are too large for Redis's compact form, beside redis-server: memory, rates, and who waits for them. */
import type { Context } from './context.ts'
import { threeFieldAnswer } from './hash-memory.ts'
import { hashStallsAnswer } from './hash-stalls.ts'
import { largeHashAnswer } from './large-hash.ts'
import type { Answer, Question } from './report.ts'

export const hashes: Question = {
  name: 'hashes',
  title: 'Large hashes',
  prediction:
    'Memory a key of 100,000 hashes of three fields, one of whose values has 65 bytes (a byte too long for the compact form), and the pauses of the collector with a million of them. ' +
    'One hash of a million fields, and one of ten: memory a field at most 1.3 × Redis, and HSET, HGET and HDEL of random fields at 0.8 × Redis or more. ' +
    'A hash of a gigabyte: no checkpoint, COPY, RENAME, DEL, expiry or FLUSHALL holds the event loop longer than 20 ms, and RENAME writes less than 1 KB to the log. ' +
    'Moraine and redis-server in the same run.',
  diskBytes: (quick) => (quick ? 3e9 : 24e9),
  run: answer,
}

async function answer(context: Context): Promise<Answer> {
  const small = await threeFieldAnswer(context)
  const large = await largeHashAnswer(context)
  const stalls = await hashStallsAnswer(context)
  return {
    aims: [...small.aims, ...large.aims, ...stalls.aims],
    tables: [small.table, ...large.tables, stalls.table],
    charts: [stalls.chart],
    notes: [...small.notes, ...large.notes, ...stalls.notes, 'Repeat with `npm run bench -- --only hashes`.'],
  }
}
