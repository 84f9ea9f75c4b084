/** Where the local Worker is told how many milliseconds its clock is ahead of the real one (`?shift=`). */
export const CLOCK_SWITCH = '/cdn-cgi/handler/clock';
