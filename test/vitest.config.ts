import { defineConfig } from 'vitest/config';

// A file's world is its own; what files share is the time it takes to import wrangler.
const each = {
  isolate: false,
  maxWorkers: 2,
  testTimeout: 30_000,
  hookTimeout: 60_000,
  execArgv: ['--disable-warning=ExperimentalWarning'],
};

/** Everything in one run; the leak test last, since it looks at what all the others have left. */
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
          exclude: ['test/leaks.test.ts'],
          sequence: { groupOrder: 1 },
        },
      },
      { test: { ...each, name: 'afterwards', include: ['test/leaks.test.ts'], sequence: { groupOrder: 2 } } },
    ],
  },
});
