/**
 * Places on the earth as sorted sets keep them: a geohash of 52 bits is the score, so that neighbours in space are mostly neighbours in
 * order. Constants, the order of calculation and the choice of the areas to search are those of Redis 7.0, because clients see
 * the last digit. Longitudes and latitudes are in degrees, distances in meters.
 *
 * Bits of latitude and longitude take turns, longitude first. Latitudes reach as far as in Web Mercator (EPSG:3857).
 */

export const longitudeMax = 180
export const latitudeMax = 85.05112878
const earthRadiusMeters = 6372797.560856
/** From here on a search has to look everywhere. */
const mercatorMaxMeters = 20037726.37
const stepMax = 26
const two32 = 2 ** 32
const base32 = '0123456789bcdefghjkmnpqrstuvwxyz'
const stringLength = 11

export interface Place {
  longitude: number
  latitude: number
}

/** What is searched for: all within a radius of a place, or within a box around it. Lengths are in a unit of so many meters. */
export interface SearchShape extends Readonly<Place> {
  readonly unitMeters: number
  /** Of a circle; undefined for a box. */
  readonly radius?: number | undefined
  readonly width?: number | undefined
  readonly height?: number | undefined
}

/** Scores from `min` on, `end` excluded. */
export interface ScoreRange {
  readonly min: number
  readonly end: number
}

/** The score of a place, which is within the limits. */
export function geoScore(longitude: number, latitude: number): number {
  return interleave(latitudeIndex(latitude, stepMax), longitudeIndex(longitude, stepMax))
}

/** The middle of the cell that a score stands for. */
export function placeOf(score: number, out: Place): Place {
  const high = Math.floor(score / two32)
  const low = score >>> 0
  const latitude = everySecondBit(low) + everySecondBit(high) * 0x10000
  const longitude = everySecondBit(low >>> 1) + everySecondBit(high >>> 1) * 0x10000
  out.longitude = between((edge(longitude, stepMax, longitudeMax) + edge(longitude + 1, stepMax, longitudeMax)) / 2, longitudeMax)
  out.latitude = between((edge(latitude, stepMax, latitudeMax) + edge(latitude + 1, stepMax, latitudeMax)) / 2, latitudeMax)
  return out
}

/** The place as others write geohashes: eleven letters, the last of which has no bits left to tell. Their latitudes reach to the poles. */
export function geohashText({ longitude, latitude }: Readonly<Place>): string {
  const cells = 2 ** stepMax
  const bits = interleave(Math.floor(((latitude + 90) / 180) * cells), Math.floor(((longitude + 180) / 360) * cells))
  let text = ''
  for (let i = 1; i < stringLength; i++) text += base32[Math.floor(bits / 2 ** (2 * stepMax - 5 * i)) % 32]
  return `${text}0`
}

/** By the haversine formula, on a sphere. */
export function distanceMeters(longitude1: number, latitude1: number, longitude2: number, latitude2: number): number {
  const v = Math.sin((radians(longitude2) - radians(longitude1)) / 2)
  if (v === 0) return latitudeMeters(latitude1, latitude2)
  const from = radians(latitude1)
  const to = radians(latitude2)
  const u = Math.sin((to - from) / 2)
  return 2 * earthRadiusMeters * Math.asin(Math.sqrt(u * u + Math.cos(from) * Math.cos(to) * v * v))
}

/** The distance of a place from the middle of a shape in which it lies; -1 if it lies outside. */
export function distanceWithin(shape: SearchShape, { longitude, latitude }: Readonly<Place>): number {
  const { radius, width = 0, height = 0, unitMeters } = shape
  if (radius !== undefined) {
    const distance = distanceMeters(shape.longitude, shape.latitude, longitude, latitude)
    return distance > radius * unitMeters ? -1 : distance
  }
  if (latitudeMeters(latitude, shape.latitude) > (height * unitMeters) / 2) return -1
  if (distanceMeters(longitude, latitude, shape.longitude, latitude) > (width * unitMeters) / 2) return -1
  return distanceMeters(shape.longitude, shape.latitude, longitude, latitude)
}

/**
 * Where the scores of all places in a shape lie, in the order in which they are to be searched; others lie there, too. The middle
 * of the shape is within the limits.
 */
export function scoreRanges(shape: SearchShape): ScoreRange[] {
  const box = boundingBox(shape)
  let step = stepFor(shape)
  let cell = cellOf(shape, step)
  if (step > 1 && !reaches(cell, box)) {
    step--
    cell = cellOf(shape, step)
  }
  const ranges: ScoreRange[] = []
  const size = 4 ** (stepMax - step)
  let last = -1
  for (const [north, east] of directions) {
    if (step >= 2 && isUseless(cell, box, north, east)) continue
    const { latitude, longitude } = moved(cell, north, east)
    const bits = interleave(latitude, longitude)
    // A cell of no bits and one that is left out look alike to Redis only if it has no step either, which none has.
    if (ranges.length > 1 && bits === last) continue
    ranges.push({ min: bits * size, end: (bits + 1) * size })
    last = bits
  }
  return ranges
}

/** The cell in the middle and those around it: how far to the north and to the east. */
const directions: readonly (readonly [north: number, east: number])[] = [
  [0, 0],
  [1, 0],
  [-1, 0],
  [0, 1],
  [0, -1],
  [1, 1],
  [1, -1],
  [-1, 1],
  [-1, -1],
]

/** One of the cells that the map is cut into, 2^step by 2^step of them, counted from the south-west. */
interface Cell {
  readonly latitude: number
  readonly longitude: number
  readonly step: number
}

interface Box {
  readonly west: number
  readonly south: number
  readonly east: number
  readonly north: number
}

function boundingBox({ longitude, latitude, radius, width = 0, height = 0, unitMeters }: SearchShape): Box {
  const halfHeight = unitMeters * (radius ?? height / 2)
  const halfWidth = unitMeters * (radius ?? width / 2)
  const latitudeDelta = degrees(halfHeight / earthRadiusMeters)
  // The nearer to a pole, the more degrees a width takes.
  const widest = latitude < 0 ? latitude - latitudeDelta : latitude + latitudeDelta
  const longitudeDelta = degrees(halfWidth / earthRadiusMeters / Math.cos(radians(widest)))
  return {
    west: longitude - longitudeDelta,
    south: latitude - latitudeDelta,
    east: longitude + longitudeDelta,
    north: latitude + latitudeDelta,
  }
}

/** How finely the map is cut so that a cell and its neighbours cover the shape, mostly. */
function stepFor({ latitude, radius, width = 0, height = 0, unitMeters }: SearchShape): number {
  let reach = (radius ?? Math.sqrt((width / 2) * (width / 2) + (height / 2) * (height / 2))) * unitMeters
  if (reach === 0) return stepMax
  let step = -1
  for (; reach < mercatorMaxMeters; reach *= 2) step++
  if (Math.abs(latitude) > 66) step--
  if (Math.abs(latitude) > 80) step--
  return Math.min(Math.max(step, 1), stepMax)
}

/** Whether the neighbours of a cell reach as far as a box does. */
function reaches(cell: Cell, { west, south, east, north }: Box): boolean {
  const { step } = cell
  return (
    edge(moved(cell, 1, 0).latitude + 1, step, latitudeMax) >= north &&
    edge(moved(cell, -1, 0).latitude, step, latitudeMax) <= south &&
    edge(moved(cell, 0, 1).longitude + 1, step, longitudeMax) >= east &&
    edge(moved(cell, 0, -1).longitude, step, longitudeMax) <= west
  )
}

/** Whether a neighbour has nothing of the box because the cell itself reaches beyond it on that side. */
function isUseless({ latitude, longitude, step }: Cell, box: Box, north: number, east: number): boolean {
  return (
    (north < 0 && edge(latitude, step, latitudeMax) < box.south) ||
    (north > 0 && edge(latitude + 1, step, latitudeMax) > box.north) ||
    (east < 0 && edge(longitude, step, longitudeMax) < box.west) ||
    (east > 0 && edge(longitude + 1, step, longitudeMax) > box.east)
  )
}

function cellOf({ longitude, latitude }: Readonly<Place>, step: number): Cell {
  return { latitude: latitudeIndex(latitude, step), longitude: longitudeIndex(longitude, step), step }
}

/** The neighbour of a cell; behind the last one comes the first. */
function moved({ latitude, longitude, step }: Cell, north: number, east: number): Cell {
  const cells = 2 ** step
  return {
    latitude: north === 0 ? latitude : (latitude + north + cells) % cells,
    longitude: east === 0 ? longitude : (longitude + east + cells) % cells,
    step,
  }
}

function latitudeIndex(latitude: number, step: number): number {
  return Math.floor(((latitude + latitudeMax) / (2 * latitudeMax)) * 2 ** step)
}

function longitudeIndex(longitude: number, step: number): number {
  return Math.floor(((longitude + longitudeMax) / (2 * longitudeMax)) * 2 ** step)
}

/** The degree at which the cell with this index begins. */
function edge(index: number, step: number, max: number): number {
  return -max + (index / 2 ** step) * (2 * max)
}

function between(degree: number, max: number): number {
  return Math.min(Math.max(degree, -max), max)
}

/** Lets the bits of two numbers of up to 27 bits take turns, those of `even` in the even places. */
function interleave(even: number, odd: number): number {
  const high = spread(even >>> 16) | (spread(odd >>> 16) << 1)
  const low = spread(even & 0xffff) | (spread(odd & 0xffff) << 1)
  return (high >>> 0) * two32 + (low >>> 0)
}

/** Leaves a clear bit behind each of 16. */
function spread(bits: number): number {
  let spaced = (bits | (bits << 8)) & 0x00ff00ff
  spaced = (spaced | (spaced << 4)) & 0x0f0f0f0f
  spaced = (spaced | (spaced << 2)) & 0x33333333
  return (spaced | (spaced << 1)) & 0x55555555
}

function everySecondBit(bits: number): number {
  let packed = bits & 0x55555555
  packed = (packed | (packed >>> 1)) & 0x33333333
  packed = (packed | (packed >>> 2)) & 0x0f0f0f0f
  packed = (packed | (packed >>> 4)) & 0x00ff00ff
  return (packed | (packed >>> 8)) & 0xffff
}

function latitudeMeters(from: number, to: number): number {
  return earthRadiusMeters * Math.abs(radians(to) - radians(from))
}

function radians(degree: number): number {
  return degree * (Math.PI / 180)
}

function degrees(radian: number): number {
  return radian / (Math.PI / 180)
}
