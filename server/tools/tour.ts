/**
 * `npm run tour`: Moraine shown on real data. Loads an English dictionary and the world's cities into a server with little
 * memory as strings, hashes, sets, sorted sets, a geo index, a leaderboard and a stream with a consumer group; shows what
 * is in memory and what on disk, kills the server with -9 while it is being written to, starts it again, and looks for
 * everything that it had acknowledged. Exit code 0 only if all of it is there.
 *
 *     npm run tour                two minutes at most
 *     npm run tour -- --quick     a few thousand entries
 *     npm run tour -- --keep      leaves the data where it is and says where
 */
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cities } from './real-data/cities.ts'
import { openCities } from './real-data/cities.ts'
import type { DataEntry } from './real-data/entry.ts'
import type { WordNet } from './real-data/wordnet.ts'
import { glossCount, openWordNet, relationCount, wordCount } from './real-data/wordnet.ts'
import type { Acknowledged, ArrivalsChecked } from './tour/arrivals.ts'
import { checkArrivals, startGazetteers } from './tour/arrivals.ts'
import type { ServerProcess } from './tour/server-process.ts'
import { startServer } from './tour/server-process.ts'
import { count, heading, progress, rows, say } from './tour/tell.ts'
import { showCities, showSenses, showTiers, showWord } from './tour/views.ts'
import type { Checked, Written } from './tour/writers.ts'
import { checkAll, connectionCount, writeAll } from './tour/writers.ts'

const quick = process.argv.includes('--quick')
const keep = process.argv.includes('--keep')
const maxmemory = quick ? '24mb' : '64mb'
const entriesMax = quick ? 4000 : Number.POSITIVE_INFINITY
/** The server is killed when this share of the cities has been acknowledged. */
const killShare = 0.3 + 0.5 * Math.random()
const killDelayMsMax = 5

async function main(): Promise<boolean> {
  const wordNet = await openWordNet()
  const cities = await openCities()
  const directory = await mkdtemp(join(tmpdir(), 'moraine-tour-'))
  const servers: ServerProcess[] = []
  const interrupted = (): void => {
    for (const server of servers) server.kill('SIGKILL')
    if (!keep) rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    process.exit(130)
  }
  process.once('SIGINT', interrupted)
  process.once('SIGTERM', interrupted)
  try {
    return await tour(wordNet, cities, directory, servers)
  } finally {
    for (const server of servers) server.kill('SIGKILL')
    await Promise.all(servers.map((server) => server.ended))
    if (keep) say(`The data is in ${directory}; serve it with: npm start -- --dir ${directory}`)
    else await rm(directory, { recursive: true, force: true })
  }
}

async function tour(wordNet: WordNet, cities: Cities, directory: string, servers: ServerProcess[]): Promise<boolean> {
  heading(`A server with ${maxmemory} of memory for data`)
  const first = await startServer(directory, maxmemory)
  servers.push(first)
  say(`Process ${first.pid} listens on port ${first.port}. It tells a client "OK" only when the write is on disk.`)

  heading(`WordNet ${wordNet.version}, an English dictionary: strings, hashes, sets and sorted sets`)
  const total = Math.min(glossCount, entriesMax) + Math.min(relationCount, entriesMax) + Math.min(wordCount, entriesMax)
  const dictionary = await load(first, 'words', dictionaryOf(wordNet), total)
  await showWord(first.port, 'moraine')
  await showSenses(first.port, 'dog')
  await showTiers(first.port, dictionary.acknowledged)

  heading('The cities of the world, each a transaction over four types, and a kill -9 in the middle')
  const { written, underLoad, acknowledged } = await loadAndKill(first, cities)
  say(`Killed process ${first.pid} without warning: no file was closed, no buffer written.`)
  rows([
    ['acknowledged before', `${count(dictionary.acknowledged.length)} of the dictionary, ${count(written.acknowledged.length)} cities`],
    ['on their way', `${written.unanswered.length} cities: sent, but nobody was told that they are safe`],
  ])

  heading('Start it again')
  const promised = [...dictionary.acknowledged, ...written.acknowledged]
  const second = await startServer(directory, maxmemory)
  servers.push(second)
  const { keys, replayed, loadMs } = second.ready
  say(
    `Ready after ${count(loadMs)} ms with ${count(keys)} keys; ${count(replayed)} changes came from the log. Values were not read: they stay on disk.`,
  )
  await showTiers(second.port, promised)

  heading('Is everything there?')
  const bar = progress('look up', promised.length, 'entries')
  const checked = await checkAll(second.port, promised, bar.update)
  bar.finish()
  const unknown = await checkAll(second.port, written.unanswered, () => undefined)
  rows([
    ['acknowledged, found as written', count(checked.whole)],
    ['acknowledged, missing', count(checked.absent)],
    ['acknowledged, not as written', count(checked.different)],
    ['never acknowledged, there all the same', `${unknown.whole} (allowed: they had reached the disk, the answer had not left)`],
    ['never acknowledged, absent', `${unknown.absent} (allowed: nobody was told otherwise)`],
    ['half a city', count(unknown.different)],
  ])

  heading('The stream, its consumer group and the leaderboard')
  const arrivals = await checkArrivals(second.port, acknowledged, written.acknowledged.length + unknown.whole)
  await showCities(second.port, 8.23, 46.8, 60)
  await showWord(second.port, 'persistence')
  return verdict({ promised: promised.length, checked, unknown, arrivals, underLoad })
}

interface Outcome {
  /** Entries that had been acknowledged. */
  readonly promised: number
  readonly checked: Checked
  /** Of those that nobody was told of. */
  readonly unknown: Checked
  readonly arrivals: ArrivalsChecked
  readonly underLoad: boolean
}

function verdict({ promised, checked, unknown, arrivals, underLoad }: Outcome): boolean {
  heading('What happened')
  const missing = promised - checked.whole
  const broken = missing > 0 || unknown.different > 0 || !arrivals.good
  if (broken) {
    say(`BROKEN PROMISE: ${count(missing)} acknowledged entries are missing or damaged, ${unknown.different} are half there;`)
    say(`one is ${checked.example ?? unknown.example}. ${arrivals.good ? '' : 'The stream does not agree with the rest.'}`)
  } else if (!underLoad) say('The server was not under load when it was killed, so this run proves nothing.')
  else {
    say(
      `The server was killed while ${connectionCount} clients wrote. Every one of the ${count(promised)} entries it had acknowledged is there, whole.`,
    )
    say('Each change is one record in a log on disk; the answer waits for the record. The start reads the list of keys and the end of the')
    say('log; values stay on disk until somebody asks for them.')
  }
  return !broken && underLoad
}

function* dictionaryOf(wordNet: WordNet): Generator<DataEntry, void> {
  yield* first(wordNet.glosses(), entriesMax)
  yield* first(wordNet.relations(), entriesMax)
  yield* first(wordNet.words(), entriesMax)
}

function* first(entries: Iterable<DataEntry>, most: number): Generator<DataEntry, void> {
  let left = most
  for (const entry of entries) {
    if (left-- <= 0) return
    yield entry
  }
}

async function load(server: ServerProcess, name: string, source: Generator<DataEntry, void>, total: number): Promise<Written> {
  const bar = progress(name, total, 'entries')
  const written = await writeAll(server.port, source, bar.update)
  bar.finish()
  if (written.refusal !== undefined) throw written.refusal
  if (written.unanswered.length > 0) throw new Error('the server went away while the dictionary was loaded')
  return written
}

interface Killed {
  readonly written: Written
  readonly underLoad: boolean
  /** What workers have acknowledged of the stream. */
  readonly acknowledged: Acknowledged
}

/** Loads cities until the server is killed, which happens at a moment that nobody has prepared for. */
async function loadAndKill(server: ServerProcess, cities: Cities): Promise<Killed> {
  const killAt = Math.floor(Math.min(cities.count, entriesMax) * killShare)
  const gazetteers = await startGazetteers(server.port)
  const bar = progress('cities', Math.min(cities.count, entriesMax), 'cities')
  let killed = false
  const written = await writeAll(server.port, first(cities.entries(), entriesMax), (acknowledged) => {
    bar.update(acknowledged)
    if (acknowledged < killAt || killed) return
    killed = true
    setTimeout(() => server.kill('SIGKILL'), killDelayMsMax * Math.random())
  })
  bar.finish()
  await gazetteers.stop()
  if (written.refusal !== undefined) throw written.refusal
  await server.ended
  return { written, underLoad: written.unanswered.length > 0, acknowledged: gazetteers }
}

main().then(
  (good) => {
    process.exitCode = good ? 0 : 1
  },
  (failure: Error) => {
    console.error(`The tour ends here: ${failure.message}`)
    process.exitCode = 1
  },
)
