/**
 * The settings in force. Readers take `config.values`, a plain object whose fields change when CONFIG SET succeeds, or
 * subscribe with `onChange` and keep their own copy where a look-up by name would be too slow.
 *
 * CONFIG SET is all or nothing: every value is read before any takes effect, and when a subscriber refuses one, all go back.
 */
import { globMatches } from '../../engine/glob.ts'
import { rewriteConfigText } from './rewrite.ts'
import { Refused } from './setting.ts'
import type { SettingName, Values } from './settings.ts'
import { findSetting, settingNames, settingOf } from './settings.ts'

/** Told of a new value after `values` has it. Text as the answer refuses the change and becomes part of the error. */
type Subscriber = (value: unknown, previous: unknown) => string | undefined
/** The same for an effect that takes time. */
type SlowSubscriber = () => Promise<string | undefined>
type Problem = string | undefined

/** The values that hold when nothing is configured. */
export function defaultValues(): Values {
  return Object.fromEntries(settingNames.map((name) => [name, settingOf(name).default])) as unknown as Values
}

export class Config {
  readonly values: Values
  /** The configuration file, for CONFIG REWRITE; undefined when there is none. */
  readonly path: string | undefined
  readonly #subscribers = new Map<SettingName, Subscriber[]>()
  readonly #slowSubscribers = new Map<SettingName, SlowSubscriber>()
  /** A change whose effect takes time is under way. */
  #changing: Promise<unknown> | undefined

  constructor(values: Partial<Values> = {}, path?: string) {
    this.values = { ...defaultValues(), ...values }
    this.path = path
  }

  /**
   * Calls `apply` with the new and the previous value after each change of `name`. It may refuse by returning text, which
   * ends the error of CONFIG SET; it is then called once more with the previous value.
   */
  onChange<Name extends SettingName>(name: Name, apply: (value: Values[Name], previous: Values[Name]) => string | undefined): void {
    const known = this.#subscribers.get(name) ?? []
    this.#subscribers.set(name, [...known, apply as Subscriber])
  }

  /** As `onChange` for an effect that takes time, of which there is one for a setting. It looks at `values`, also when it is called once more because they went back. */
  onSlowChange(name: SettingName, apply: SlowSubscriber): void {
    this.#slowSubscribers.set(name, apply)
  }

  /** Whether `set` would take time. */
  takesTime(pairs: readonly (readonly [name: string, value: string])[]): boolean {
    const isSlow = (name: SettingName | undefined): boolean => name !== undefined && this.#slowSubscribers.has(name)
    return this.#changing !== undefined || pairs.some(([name]) => isSlow(findSetting(name)))
  }

  /**
   * CONFIG GET: names and values of all settings that are named or match a glob, older names included, each once. A plain
   * name is answered in the spelling it was asked in, as Redis does.
   */
  get(patterns: readonly string[]): [name: string, value: string][] {
    const found = new Map<string, [string, string]>()
    for (const pattern of patterns) {
      const setting = /[*?[]/.test(pattern) ? undefined : findSetting(pattern)
      const name = pattern.toLowerCase()
      if (setting !== undefined && !found.has(name)) found.set(name, [pattern, this.text(setting)])
    }
    const globs = patterns.filter((pattern) => /[*?[]/.test(pattern)).map((pattern) => Buffer.from(pattern))
    for (const setting of settingNames) {
      if (settingOf(setting).hidden) continue
      for (const name of [setting, ...settingOf(setting).aliases]) {
        const text = Buffer.from(name)
        if (found.has(name) || !globs.some((glob) => globMatches(glob, 0, glob.length, text, 0, text.length, true))) continue
        found.set(name, [name, this.text(setting)])
      }
    }
    return [...found.values()]
  }

  /** A setting's value as CONFIG GET shows it. */
  text(name: SettingName): string {
    return settingOf(name).format(this.values[name])
  }

  /**
   * CONFIG SET: changes all settings or none. The answer is the error, without the `-` before it, or undefined; a promise of it
   * when the change takes time, or another one does that is under way.
   */
  set(pairs: readonly (readonly [name: string, value: string])[]): Problem | Promise<Problem> {
    if (this.#changing !== undefined) return this.#changing.then(() => this.set(pairs))
    const names: SettingName[] = []
    const seen = new Set<string>()
    for (const [given] of pairs) {
      const name = findSetting(given)
      if (name === undefined) return `ERR Unknown option or number of arguments for CONFIG SET - '${given}'`
      const { when } = settingOf(name)
      if (when !== 'runtime') return failed(given, when === 'start' ? "can't set immutable config" : "can't set protected config")
      if (seen.has(given.toLowerCase())) return failed(given, 'duplicate parameter')
      seen.add(given.toLowerCase())
      names.push(name)
    }
    const changes = new Map<SettingName, unknown>()
    for (const [at, [given, value]] of pairs.entries()) {
      const problem = this.#read(names[at], value, changes)
      if (problem !== undefined) return failed(given.toLowerCase(), problem)
    }
    const problem = contradiction({ ...this.values, ...Object.fromEntries(changes) })
    return problem === undefined ? this.#apply(changes) : failed(problem.name, problem.text)
  }

  /** CONFIG REWRITE: `text`, a configuration file, changed to say what is in force, comments and order kept. */
  rewrite(text: string): string {
    return rewriteConfigText(text, this.values)
  }

  #read(name: SettingName, value: string, changes: Map<SettingName, unknown>): string | undefined {
    const setting = settingOf(name)
    try {
      const many = value === '' ? [] : value.split(' ')
      changes.set(name, setting.parse(setting.manyWords ? many : [value], this.values[name], false))
      return undefined
    } catch (problem) {
      if (problem instanceof Refused) return problem.message
      throw problem
    }
  }

  #apply(changes: ReadonlyMap<SettingName, unknown>): Problem | Promise<Problem> {
    const previous = new Map<SettingName, unknown>()
    for (const [name, value] of changes) {
      if (settingOf(name).format(value) === this.text(name)) continue
      previous.set(name, this.values[name])
      this.#assign(name, value)
    }
    const told: SettingName[] = []
    const goBack = (): void => {
      for (const [back, value] of previous) this.#assign(back, value)
      for (const back of told) this.#tell(back, changes.get(back))
    }
    for (const name of previous.keys()) {
      told.push(name)
      const problem = this.#tell(name, previous.get(name))
      if (problem === undefined) continue
      goBack()
      return failed(name, problem)
    }
    const slow = [...previous.keys()].filter((name) => this.#slowSubscribers.has(name))
    if (slow.length === 0) return undefined
    const changing = this.#applySlowly(slow, goBack).finally(() => {
      this.#changing = undefined
    })
    this.#changing = changing
    return changing
  }

  async #applySlowly(names: readonly SettingName[], goBack: () => void): Promise<Problem> {
    const done: SlowSubscriber[] = []
    for (const name of names) {
      const apply = this.#slowSubscribers.get(name) as SlowSubscriber
      const problem = await apply()
      if (problem !== undefined) {
        goBack()
        for (const each of done) await each()
        return failed(name, problem)
      }
      done.push(apply)
    }
    return undefined
  }

  #assign(name: SettingName, value: unknown): void {
    const values = this.values as Record<SettingName, unknown>
    values[name] = value
  }

  #tell(name: SettingName, previous: unknown): string | undefined {
    for (const subscriber of this.#subscribers.get(name) ?? []) {
      const problem = subscriber(this.values[name], previous)
      if (problem !== undefined) return problem
    }
    return undefined
  }
}

/** What is wrong with values that are each fine alone. */
export function contradiction(values: Values): { readonly name: SettingName; readonly text: string } | undefined {
  if (values['tier-cool-start-percent'] > values['tier-drop-percent']) {
    return { name: 'tier-cool-start-percent', text: 'tier-cool-start-percent must not exceed tier-drop-percent' }
  }
  if (values['tier-drop-percent'] > values['tier-throttle-percent']) {
    return { name: 'tier-drop-percent', text: 'tier-drop-percent must not exceed tier-throttle-percent' }
  }
  if (values.log !== 'local' && !values.appendonly) return { name: 'appendonly', text: 'a log that nodes share cannot be turned off' }
  return undefined
}

function failed(name: string, text: string): string {
  return `ERR CONFIG SET failed (possibly related to argument '${name}') - ${text}`
}
