/** When a version of the Graph API ends (docs/graph-api/changelog/versions); null for not yet known. */
const VERSIONS: Record<string, number | null> = {
  'v21.0': Date.UTC(2027, 0, 21),
  'v22.0': Date.UTC(2027, 4, 20),
  'v23.0': Date.UTC(2027, 9, 8),
  'v24.0': Date.UTC(2028, 1, 18),
  'v25.0': Date.UTC(2028, 6, 28),
  'v26.0': null,
};

export const isVersion = (text: string): boolean => /^v\d+\.\d+$/.test(text);

export function versionState(version: string, now: number): 'usable' | 'ended' | 'unknown' {
  const end = VERSIONS[version];
  if (end !== undefined) return end === null || now < end ? 'usable' : 'ended';
  return isVersion(version) && Number(version.slice(1)) < 21 ? 'ended' : 'unknown';
}
