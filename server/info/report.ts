/** INFO's text: named sections of `name:value` lines. Which sections there are, and which are shown unless asked for, is here. */
import type { ServerView } from '../server-view.ts'
import type { InfoLine } from './info-line.ts'
import { replicationSection } from './replication-section.ts'
import { clientsSection, cpuSection, serverSection, statsSection } from './server-sections.ts'
import { keyspaceSection, memorySection, persistenceSection } from './shard-sections.ts'
import { commandStatsSection, errorStatsSection, latencyStatsSection } from './stats-sections.ts'
import { logSection, tieringSection } from './tier-sections.ts'

interface Section {
  readonly title: string
  readonly lines: (server: ServerView) => Iterable<InfoLine>
  /** Shown by INFO without arguments. */
  readonly standard: boolean
}

const sections: Readonly<Record<string, Section>> = {
  server: { title: 'Server', lines: serverSection, standard: true },
  clients: { title: 'Clients', lines: clientsSection, standard: true },
  memory: { title: 'Memory', lines: memorySection, standard: true },
  persistence: { title: 'Persistence', lines: persistenceSection, standard: true },
  stats: { title: 'Stats', lines: statsSection, standard: true },
  replication: { title: 'Replication', lines: replicationSection, standard: true },
  cpu: { title: 'CPU', lines: cpuSection, standard: true },
  tiering: { title: 'Tiering', lines: tieringSection, standard: true },
  log: { title: 'Log', lines: logSection, standard: true },
  modules: { title: 'Modules', lines: () => [], standard: true },
  commandstats: { title: 'Commandstats', lines: commandStatsSection, standard: false },
  errorstats: { title: 'Errorstats', lines: errorStatsSection, standard: true },
  latencystats: { title: 'Latencystats', lines: latencyStatsSection, standard: false },
  cluster: { title: 'Cluster', lines: ({ config }) => [['cluster_enabled', config.values['cluster-enabled'] ? 1 : 0]], standard: true },
  keyspace: { title: 'Keyspace', lines: keyspaceSection, standard: true },
}

/** The sections that are named (in any case; `default`, `all`, `everything`), in INFO's own order; unknown names are ignored. */
export function infoText(server: ServerView, names: readonly string[]): string {
  const wanted = new Set(names.map((name) => name.toLowerCase()))
  const all = wanted.has('all') || wanted.has('everything')
  const standard = wanted.size === 0 || wanted.has('default')
  const texts: string[] = []
  for (const [name, section] of Object.entries(sections)) {
    if (!all && !wanted.has(name) && !(standard && section.standard)) continue
    let text = `# ${section.title}\r\n`
    for (const [field, value] of section.lines(server)) text += `${field}:${value}\r\n`
    texts.push(text)
  }
  return texts.join('\r\n')
}
