//! The words that rules are made of.

/// Whether a word is one of a list, which a blank parts.
fn among(list: &str, word: &str) -> bool {
    !word.is_empty() && list.split(' ').any(|listed| listed == word)
}

/// Which month a word names, written out or cut short.
pub fn month(word: &str) -> Option<i8> {
    Some(match word {
        "january" | "jan" => 1,
        "february" | "feb" => 2,
        "march" | "mar" => 3,
        "april" | "apr" => 4,
        "may" => 5,
        "june" | "jun" => 6,
        "july" | "jul" => 7,
        "august" | "aug" => 8,
        "september" | "sept" | "sep" => 9,
        "october" | "oct" => 10,
        "november" | "nov" => 11,
        "december" | "dec" => 12,
        _ => return None,
    })
}

/// A month's full name.
pub fn month_name(month: i8) -> &'static str {
    const NAMES: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    usize::try_from(month - 1).ok().and_then(|at| NAMES.get(at)).copied().unwrap_or_default()
}

/// Whether a word is a weekday's full name.
pub fn weekday(word: &str) -> bool {
    matches!(word, "monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday")
}

/// Whether a word cuts a weekday short; only right before a date.
pub fn short_weekday(word: &str) -> bool {
    matches!(word, "mon" | "tue" | "tues" | "wed" | "weds" | "thu" | "thur" | "thurs" | "fri" | "sat" | "sun")
}

/// The value of a word for a small number, below twenty.
pub fn unit(word: &str) -> Option<u32> {
    const UNITS: [&str; 19] = [
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    UNITS.iter().position(|unit| *unit == word).map(|at| at as u32 + 1)
}

/// The value of a word for tens.
pub fn tens(word: &str) -> Option<u32> {
    const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    TENS.iter().position(|tens| *tens == word).map(|at| at as u32 * 10 + 20)
}

/// The value of a word for a place in order, below twenty-one, thirty too.
pub fn ordinal(word: &str) -> Option<u32> {
    const ORDINALS: [&str; 20] = [
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
        "ninth",
        "tenth",
        "eleventh",
        "twelfth",
        "thirteenth",
        "fourteenth",
        "fifteenth",
        "sixteenth",
        "seventeenth",
        "eighteenth",
        "nineteenth",
        "twentieth",
    ];
    if word == "thirtieth" {
        return Some(30);
    }
    ORDINALS.iter().position(|ordinal| *ordinal == word).map(|at| at as u32 + 1)
}

/// The tens that a word for a decade names.
pub fn decade(word: &str) -> Option<i16> {
    Some(match word {
        "twenties" => 20,
        "thirties" => 30,
        "forties" => 40,
        "fifties" => 50,
        "sixties" => 60,
        "seventies" => 70,
        "eighties" => 80,
        "nineties" => 90,
        _ => return None,
    })
}

/// The hundreds that a word opens a spelled year with.
pub fn hundreds(word: &str) -> Option<i16> {
    unit(word).filter(|value| (11..=19).contains(value)).map(|value| value as i16 * 100).or(match word {
        "twenty" => Some(2000),
        _ => None,
    })
}

/// A number with its ending: 1st, 2nd, 13th.
pub fn nth(number: u32) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// A unit of time that can be counted.
pub fn span_unit(word: &str) -> bool {
    const SPAN_UNIT: &str = "\
        day days week weeks fortnight fortnights month months year years decade decades century centuries \
        hour hours night nights winter winters summer summers generations";
    among(SPAN_UNIT, word)
}

/// A season, with the month it begins in; winter begins in December.
pub fn season(word: &str) -> Option<i8> {
    Some(match word {
        "spring" => 3,
        "summer" => 6,
        "autumn" | "fall" => 9,
        "winter" => 12,
        _ => return None,
    })
}

/// A time of day that tells when something was.
pub fn daytime(word: &str) -> bool {
    matches!(
        word,
        "dawn"
            | "dusk"
            | "daybreak"
            | "noon"
            | "midday"
            | "midnight"
            | "sunset"
            | "sunrise"
            | "nightfall"
            | "sundown"
            | "twilight"
            | "cockcrow"
    )
}

/// Words that alone make a quoted phrase tell of time, though never a text at large.
pub fn timely(word: &str) -> bool {
    const TIMELY: &str = "\
        today yesterday tomorrow tonight morning mornings afternoon evening evenings eve daylight midsummer \
        midwinter noontide war wartime peacetime childhood boyhood girlhood oclock clock weekend christmas \
        easter michaelmas whitsun martinmas candlemas lammas inst ult ago season reign era springtime \
        harvest";
    daytime(word)
        || weekday(word)
        || span_unit(word)
        || season(word).is_some_and(|_| word != "fall")
        || (month(word).is_some() && !matches!(word, "may" | "march" | "mar"))
        || among(TIMELY, word)
}

/// Words after which a number does not count things: the number may be a year.
pub fn function(word: &str) -> bool {
    const FUNCTION: &str = "\
        the a an and or but nor so yet he she it they we i you his her its their our my your this that these \
        those there who whom which where when while whilst as at by for from in into of on onto to until \
        till with without under over after before between during through throughout upon about against via \
        if because since although though than then is are was were be been has have had did does do would \
        could should will may might can saw onwards onward not no some both all following however only also \
        alone inclusive came near along within what how just again became due saying brought marked except \
        left ended respectively";
    among(FUNCTION, word)
}

/// Words that a number before them counts or measures.
pub fn counted(word: &str) -> bool {
    const COUNTED: &str = "\
        ft feet foot tons tonnes ton lb lbs kg g km m mm cm miles mile metres meters metre meter yards yds \
        yd acres acre hectares ha inches gallons litres liters hours hrs hr years days weeks months minutes \
        seconds people persons men women children sheep cattle horses cows pigs troops soldiers houses \
        households families inhabitants residents members votes seats workers employees students pupils \
        copies books pounds dollars euros francs shillings guineas pence points runs goals times others \
        items pages words lines hp kw mw mhz khz cc rpm percent per square cubic million thousand hundred \
        dozen prisoners ships aircraft barrels bags boxes vehicles guests patients spectators bce mph kph \
        passengers species units pieces steps stones bricks tests games";
    among(COUNTED, word)
}

/// Words before "of 1500" or "to 1500" that make it an amount.
pub fn amount(word: &str) -> bool {
    const AMOUNT: &str = "\
        population total number crew sum height distance area weight cost price capacity average maximum \
        minimum length depth rate garrison force army audience attendance fleet speed rose fell grew \
        increased reduced altitude elevation circulation up down upwards excess tonnage";
    among(AMOUNT, word)
}

/// What a bare year may stand right before: "the 1948 season".
pub fn event(word: &str) -> bool {
    const EVENT: &str = "\
        season seasons election elections census campaign championship championships tournament film movie \
        novel book edition album song play act treaty draft tour revolution uprising rising rebellion fire \
        flood floods earthquake general presidential parliamentary federal municipal local provincial coup \
        war world summer winter interview report survey conference exhibition show referendum constitution \
        single remake documentary series version study paper article speech debut strike riots riot massacre \
        budget convention primary race cup final storm hurricane agreement invasion merger comedy drama \
        thriller adaptation playoffs western accords issue restoration photograph performance";
    among(EVENT, word)
}

/// Whether an expression can begin with a word in lower case.
pub fn opening(word: &str) -> bool {
    const OPENING: &str = "\
        the early mid late first second latter last beginning start opening middle end close turn circa c ca \
        around about approximately from between since before after until till prior pre post at by towards \
        during this that next every each a an some several many few couple interwar inter prewar postwar q";
    among(OPENING, word)
        || season(word).is_some()
        || unit(word).is_some()
        || tens(word).is_some()
        || ordinal(word).is_some()
        || decade(word).is_some()
        || (word.len() > 3 && month(word).is_some())
}
