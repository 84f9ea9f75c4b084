import { defineConfig } from 'vitest/config';

// A file's world is its own; what files share is the time it takes to import wrangler.
const each = {
  isolate: false,
  maxWorkers: 2,
  testTimeout: 30_000,
  hookTimeout: 60_000,
  execArgv: ['--disable-warning=ExperimentalWarning'],
};

/** Tests that look at what all the others have left. */
const afterwards = ['test/leaks.test.ts', 'test/descriptions.test.ts'];

/** Everything in one run. */
export default defineConfig({
  test: {
    root: '.',
    maxWorkers: 2,
    globalSetup: ['test/global-setup.ts'],
    projects: [
      {
        test: {
          ...each,
          name: 'all',
          include: ['test/**/*.test.ts'],
          exclude: afterwards,
          sequence: { groupOrder: 1 },
        },
      },
      { test: { ...each, name: 'afterwards', include: afterwards, sequence: { groupOrder: 2 } } },
    ],
  },
});
