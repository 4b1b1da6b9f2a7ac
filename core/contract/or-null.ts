import { z } from "zod";

/** A schema that has a name, or null. With `.nullable()` the API's description would say null wherever the name stands. */
export const orNull = <T extends z.ZodType>(schema: T) => z.union([schema, z.null()]);
