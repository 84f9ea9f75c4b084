import { TEAMS } from './tokens.ts';

/** The files that exist: one in each team's folder. */
export const FILES = new Map(
  [...TEAMS.entries()].map(([team, { name, folder }], index) => [
    `AcmeFileKey00000000000${index + 1}`,
    { name: `${name} system`, team, folder, folderName: `${name} folder` },
  ]),
);

type File = { name: string; folderName: string };

const WHEN = '2026-11-20T10:00:00Z';
const user = { id: '1100000000000001', handle: 'Ada Designer', img_url: 'https://s3-alpha.figma.com/a.png' };

/** GET /v1/files/{file_key}/meta. */
export function fileMeta(key: string, { name, folderName }: File) {
  return {
    file: {
      name,
      folder_name: folderName,
      last_touched_at: WHEN,
      creator: user,
      last_touched_by: user,
      thumbnail_url: null,
      editorType: 'figma',
      role: 'viewer',
      link_access: 'org_view',
      url: `https://www.figma.com/design/${key}`,
      version: '2200000001',
    },
  };
}

/** GET /v1/files/{file_key}. */
export function fileContent({ name }: File) {
  return {
    name,
    lastModified: WHEN,
    version: '2200000001',
    role: 'viewer',
    editorType: 'figma',
    thumbnailUrl: '',
    document: { id: '0:0', name: 'Document', type: 'DOCUMENT', children: [] },
    components: {},
    componentSets: {},
    styles: {},
    schemaVersion: 0,
  };
}

/** GET /v1/files/{file_key}/versions. */
export function fileVersions(key: string) {
  const versions = [{ id: '2200000001', created_at: WHEN, label: 'First', description: '', user }];
  return { versions, pagination: { prev_page: `https://api.figma.com/v1/files/${key}/versions?after=1` } };
}

/** A row of the published components (GET /v1/files/{file_key}/components, …/teams/{team_id}/components). */
export function componentRow(fileKey: string) {
  return {
    key: 'c'.repeat(40),
    file_key: fileKey,
    node_id: '1:2',
    name: 'Button',
    description: '',
    thumbnail_url: '',
    created_at: WHEN,
    updated_at: WHEN,
    user,
    containing_frame: { nodeId: '1:1', name: 'Buttons', pageId: '0:1', pageName: 'Page 1' },
  };
}
