/** How many times longer everything may take than on an idle host: `BERTH_TEST_PATIENCE`, as for an emulated cpu. */
export const PATIENCE = Number(process.env["BERTH_TEST_PATIENCE"] ?? 1);
