import { defineConfig } from 'vitest/config';

/** Everything in one run; the leak test last, since it looks at what all the others have left. */
export default defineConfig({
  test: {
    root: '.',
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'all',
          include: ['test/**/*.test.ts'],
          exclude: ['test/leaks.test.ts'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'afterwards', include: ['test/leaks.test.ts'], sequence: { groupOrder: 1 } },
      },
    ],
  },
});
