/** What the arguments of GEOSEARCH, GEORADIUS and their like ask for. The order of checks is Redis's. */
import type { Arguments } from '../arguments.ts'
import type { SearchShape } from '../types/geo-hash.ts'
import { notAnInteger, syntaxError } from './errors.ts'
import { coordinates, readCoordinates, unitMeters, unknownUnit } from './geo-arguments.ts'
import { scoreArgument } from './score-argument.ts'

/** A command that searches. */
export interface GeoCommand {
  /** The argument that is the sorted set. */
  readonly source: number
  /** Where GEORADIUS and its like search from; `options`: an option says it. */
  readonly from: 'coordinates' | 'member' | 'options'
  /** Whether STORE and STOREDIST may name a target, or the first argument is one. */
  readonly stores: 'never' | 'by option' | 'always'
}

/** Reads the place of a member, which is an argument, to `coordinates`; false if it has none. */
export type ReadMember = (index: number) => boolean

export interface GeoSearch {
  shape: SearchShape
  withDistance: boolean
  withHash: boolean
  withCoordinates: boolean
  order: 'none' | 'ascending' | 'descending'
  /** 0: all. */
  count: number
  /** Whether any will do, not the nearest only. */
  any: boolean
  /** The argument that is the target, 0 for none. */
  target: number
  storesDistance: boolean
}

const noMember = 'ERR could not decode requested zset member'
const nowhere: SearchShape = { longitude: 0, latitude: 0, unitMeters: 1, radius: 0 }

/** The search, or the text of an error. Without a source its shape is not what was asked for. */
export function readGeoSearch(args: Arguments, command: GeoCommand, hasSource: boolean, readMember: ReadMember): GeoSearch | string {
  return new SearchReader(args, command, hasSource, readMember).read()
}

class SearchReader {
  readonly #args: Arguments
  readonly #command: GeoCommand
  readonly #hasSource: boolean
  readonly #readMember: ReadMember
  readonly #search: GeoSearch
  #from: 'member' | 'coordinates' | undefined
  #by: 'radius' | 'box' | undefined
  /** Of the option that is read. */
  #at = 0

  constructor(args: Arguments, command: GeoCommand, hasSource: boolean, readMember: ReadMember) {
    this.#args = args
    this.#command = command
    this.#hasSource = hasSource
    this.#readMember = readMember
    this.#search = {
      shape: nowhere,
      withDistance: false,
      withHash: false,
      withCoordinates: false,
      order: 'none',
      count: 0,
      any: false,
      target: command.stores === 'always' ? 1 : 0,
      storesDistance: false,
    }
  }

  read(): GeoSearch | string {
    const { source, from } = this.#command
    let error: string | undefined
    this.#at = source + 1
    if (from === 'coordinates') error = this.#readPlace(2) ?? this.#readRadius(4)
    else if (from === 'member' && this.#hasSource) error = this.#readPlaceOf(2) ?? this.#readRadius(3)
    if (from !== 'options') this.#at = from === 'member' ? 5 : 6
    while (error === undefined && this.#at < this.#args.count) error = this.#option()
    return error ?? this.#clash() ?? this.#search
  }

  /** Reads an option and steps behind it. */
  #option(): string | undefined {
    const args = this.#args
    const search = this.#search
    const at = this.#at++
    if (args.is(at, 'WITHDIST')) search.withDistance = true
    else if (args.is(at, 'WITHHASH')) search.withHash = true
    else if (args.is(at, 'WITHCOORD')) search.withCoordinates = true
    else if (args.is(at, 'ANY')) search.any = true
    else if (args.is(at, 'ASC')) search.order = 'ascending'
    else if (args.is(at, 'DESC')) search.order = 'descending'
    else if (args.is(at, 'COUNT') && this.#takes(1)) return this.#readCount(at + 1)
    else return this.#target(at) ? undefined : this.#area(at)
    return undefined
  }

  /** Whether so many arguments follow; steps behind them. */
  #takes(count: number): boolean {
    if (this.#at + count > this.#args.count) return false
    this.#at += count
    return true
  }

  #readCount(index: number): string | undefined {
    const count = this.#args.bigInteger(index)
    if (count === undefined) return notAnInteger
    if (count <= 0n) return 'ERR COUNT must be > 0'
    this.#search.count = Number(count)
    return undefined
  }

  /** Whether an option says where the result is stored, or how. */
  #target(at: number): boolean {
    const { stores } = this.#command
    const search = this.#search
    const isDistance = this.#args.is(at, 'STOREDIST')
    if (stores === 'always' && isDistance) search.storesDistance = true
    else if (stores === 'by option' && (isDistance || this.#args.is(at, 'STORE')) && this.#takes(1)) {
      search.target = at + 1
      search.storesDistance = isDistance
    } else return false
    return true
  }

  /** Options of GEOSEARCH that say where. */
  #area(at: number): string | undefined {
    const args = this.#args
    if (this.#command.from !== 'options') return syntaxError
    if (args.is(at, 'FROMMEMBER') && this.#from !== 'coordinates' && this.#takes(1)) {
      this.#from = 'member'
      return this.#hasSource ? this.#readPlaceOf(at + 1) : undefined
    }
    if (args.is(at, 'FROMLONLAT') && this.#from !== 'member' && this.#takes(2)) {
      this.#from = 'coordinates'
      return this.#readPlace(at + 1)
    }
    if (args.is(at, 'BYRADIUS') && this.#by !== 'box' && this.#takes(2)) {
      this.#by = 'radius'
      return this.#readRadius(at + 1)
    }
    if (args.is(at, 'BYBOX') && this.#by !== 'radius' && this.#takes(3)) {
      this.#by = 'box'
      return this.#readBox(at + 1)
    }
    return syntaxError
  }

  #readPlace(index: number): string | undefined {
    const error = readCoordinates(this.#args, index)
    if (error === undefined) this.#search.shape = { ...this.#search.shape, ...coordinates }
    return error
  }

  #readPlaceOf(index: number): string | undefined {
    if (!this.#readMember(index)) return noMember
    this.#search.shape = { ...this.#search.shape, ...coordinates }
    return undefined
  }

  #readRadius(index: number): string | undefined {
    const radius = scoreArgument(this.#args, index)
    if (Number.isNaN(radius)) return 'ERR need numeric radius'
    if (radius < 0) return 'ERR radius cannot be negative'
    return this.#readUnit(index + 1, { radius, width: undefined, height: undefined })
  }

  #readBox(index: number): string | undefined {
    const width = scoreArgument(this.#args, index)
    if (Number.isNaN(width)) return 'ERR need numeric width'
    const height = scoreArgument(this.#args, index + 1)
    if (Number.isNaN(height)) return 'ERR need numeric height'
    if (width < 0 || height < 0) return 'ERR height or width cannot be negative'
    return this.#readUnit(index + 2, { radius: undefined, width, height })
  }

  #readUnit(index: number, lengths: Pick<SearchShape, 'radius' | 'width' | 'height'>): string | undefined {
    const meters = unitMeters(this.#args, index)
    if (meters === 0) return unknownUnit
    this.#search.shape = { ...this.#search.shape, ...lengths, unitMeters: meters }
    return undefined
  }

  /** What is wrong with the options together. */
  #clash(): string | undefined {
    const { target, withDistance, withHash, withCoordinates, any, count } = this.#search
    const { from, stores } = this.#command
    const name = this.#args.string(0, 'latin1')
    if (target !== 0 && (withDistance || withHash || withCoordinates)) {
      const what = stores === 'always' ? 'GEOSEARCHSTORE' : 'STORE option in GEORADIUS'
      return `ERR ${what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options`
    }
    if (from === 'options' && this.#from === undefined) return `ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ${name}`
    if (from === 'options' && this.#by === undefined) return `ERR exactly one of BYRADIUS and BYBOX can be specified for ${name}`
    return any && count === 0 ? 'ERR the ANY argument requires COUNT argument' : undefined
  }
}
