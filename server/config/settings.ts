/**
 * Every setting, in one table: what the configuration file, the command line, CONFIG and docs/configuration.md know
 * about a setting derives from its row. The row's key is the setting's name.
 */
import { acceptedSettings } from './accepted-settings.ts'
import { interpreterSettings, logSettings, metricsSettings, tierSettings } from './moraine-settings.ts'
import { replicationSettings } from './replication-settings.ts'
import { durabilitySettings, memorySettings, networkSettings, observationSettings, scriptSettings } from './server-settings.ts'
import type { Setting } from './setting.ts'

/** The table by subject, for documentation. */
export const settingGroups = {
  Network: networkSettings,
  Memory: memorySettings,
  Tier: tierSettings,
  Durability: { ...durabilitySettings, ...logSettings },
  Replication: replicationSettings,
  Scripts: { ...scriptSettings, ...interpreterSettings },
  Observation: { ...observationSettings, ...metricsSettings },
  'Accepted without effect': acceptedSettings,
}

export const settings = {
  ...networkSettings,
  ...memorySettings,
  ...tierSettings,
  ...durabilitySettings,
  ...logSettings,
  ...replicationSettings,
  ...scriptSettings,
  ...interpreterSettings,
  ...observationSettings,
  ...metricsSettings,
  ...acceptedSettings,
}

type Settings = typeof settings
export type SettingName = keyof Settings

/** The values that are in force, by name. */
export type Values = { readonly [Name in SettingName]: Settings[Name] extends Setting<infer T> ? T : never }

export const settingNames = Object.keys(settings) as readonly SettingName[]

const byAnyName = new Map<string, SettingName>(
  settingNames.flatMap((name) => [[name, name] as const, ...settings[name].aliases.map((alias) => [alias, name] as const)]),
)

/** The setting that `name`, or an older name, in any case, stands for. */
export function findSetting(name: string): SettingName | undefined {
  return byAnyName.get(name.toLowerCase())
}

/** A setting as one whose values are not known to the type checker, to be used with values of the same row only. */
export function settingOf(name: SettingName): Setting<unknown> {
  return settings[name] as Setting<unknown>
}
