//! What is found, what is left alone, and what every text survives.

use super::*;

/// The spans and handles found in a text, with their intervals.
fn found(text: &str, context: &Context) -> Vec<String> {
    let show = |((start, end), when): ((usize, usize), When)| {
        let days = when.interval.map_or("-".to_owned(), |days| days.to_string());
        format!("{} | {} | {days}", &text[start..end], when.text)
    };
    find(text, context).into_iter().map(show).collect()
}

#[test]
fn days_and_months_are_read() {
    let check = |text: &str, expected: &str| assert_eq!(found(text, &Context::default()), [expected], "{text:?}");
    check("on the 12th March 1883 it", "the 12th March 1883 | 12 March 1883, 1880s | 1883-03-12..1883-03-12");
    check("Friday, 12 March, 1883.", "Friday, 12 March, 1883 | 12 March 1883, 1880s | 1883-03-12..1883-03-12");
    check("the twenty-third of May 1904", "the twenty-third of May 1904 | 23 May 1904, 1900s | 1904-05-23..1904-05-23");
    check("March 12th, 1883", "March 12th, 1883 | 12 March 1883, 1880s | 1883-03-12..1883-03-12");
    check("at december 31, 1883", "december 31, 1883 | 31 December 1883, 1880s | 1883-12-31..1883-12-31");
    check("Sept. 28, 1883", "Sept. 28, 1883 | 28 September 1883, 1880s | 1883-09-28..1883-09-28");
    check("1883-03-12", "1883-03-12 | 12 March 1883, 1880s | 1883-03-12..1883-03-12");
    check("in 1883-03 it", "1883-03 | March 1883, 1880s | 1883-03-01..1883-03-31");
    check("14/03/1921", "14/03/1921 | 14 March 1921, 1920s | 1921-03-14..1921-03-14");
    check("03/14/1921", "03/14/1921 | 14 March 1921, 1920s | 1921-03-14..1921-03-14");
    check("3/4/1921", "3/4/1921 | 3 April or 4 March 1921, 1920s | 1921-03-04..1921-04-03");
    check("3.4.1921", "3.4.1921 | 3 April 1921, 1920s | 1921-04-03..1921-04-03");
    check("May 1883", "May 1883 | May 1883, 1880s | 1883-05-01..1883-05-31");
    check("late in March 1883", "late in March 1883 | late March 1883, 1880s | 1883-03-21..1883-03-31");
    check("early February 1883", "early February 1883 | early February 1883, 1880s | 1883-02-01..1883-02-10");
    check("12–14 March 1883", "12–14 March 1883 | 12 to 14 March 1883, 1880s | 1883-03-12..1883-03-14");
    check("dispensing book 9\nMarch 12, 1883", "March 12, 1883 | 12 March 1883, 1880s | 1883-03-12..1883-03-12");
    check("30 February 1883", "February 1883 | February 1883, 1880s | 1883-02-01..1883-02-28");
    check(
        "3 March nineteen hundred and four",
        "3 March nineteen hundred and four | 3 March 1904, 1900s | 1904-03-03..1904-03-03",
    );
}

#[test]
fn years_decades_and_centuries_are_read() {
    let check = |text: &str, expected: &str| assert_eq!(found(text, &Context::default()), [expected], "{text:?}");
    check("in 1883 the", "1883 | 1883, 1880s | 1883-01-01..1883-12-31");
    check("Ostrel, 1883.", "1883 | 1883, 1880s | 1883-01-01..1883-12-31");
    check("The fire — 1883\nIt", "1883 | 1883, 1880s | 1883-01-01..1883-12-31");
    check("1883: fire", "1883 | 1883, 1880s | 1883-01-01..1883-12-31");
    check("the fire (1883)", "1883 | 1883, 1880s | 1883-01-01..1883-12-31");
    check("the 1948 season", "1948 | 1948, 1940s | 1948-01-01..1948-12-31");
    check("the end of 1883", "the end of 1883 | late 1883, 1880s | 1883-09-01..1883-12-31");
    check("c. 1850", "c. 1850 | circa 1850, 1850s | 1845-01-01..1855-12-31");
    check("(c.1850)", "c.1850 | circa 1850, 1850s | 1845-01-01..1855-12-31");
    check("in 44 BC he", "44 BC | 44 BC, 1st century BC | -000043-01-01..-000043-12-31");
    check("in A.D. 79", "A.D. 79 | AD 79, 1st century | 0079-01-01..0079-12-31");
    check("in eighteen eighty-three", "eighteen eighty-three | 1883, 1880s | 1883-01-01..1883-12-31");
    check("the 1880s", "the 1880s | 1880s, late 19th century | 1880-01-01..1889-12-31");
    check("in late 1880's it", "late 1880's | late 1880s, 1880s, late 19th century | 1886-01-01..1889-12-31");
    check("mid-1980s", "mid-1980s | mid-1980s, 1980s, late 20th century | 1983-01-01..1987-12-31");
    check("the nineteen-twenties", "the nineteen-twenties | 1920s, early 20th century | 1920-01-01..1929-12-31");
    check("the 1800s", "the 1800s | 1800s, 19th century | 1800-01-01..1899-12-31");
    check("a mid-19th century", "mid-19th century | mid-19th century, 1830s to 1870s | 1830-01-01..1879-12-31");
    check("the third century BC", "the third century BC | 3rd century BC | -000299-01-01..-000200-12-31");
    check("19th-century", "19th-century | 19th century | 1801-01-01..1900-12-31");
    check("17th and 18th centuries", "17th and 18th centuries | 17th to 18th centuries | 1601-01-01..1800-12-31");
    check(
        "the turn of the 20th century",
        "the turn of the 20th century | turn of the 20th century, 1890s to 1910s | 1890-01-01..1910-12-31",
    );
}

#[test]
fn named_times_are_read() {
    let check = |text: &str, expected: &str| assert_eq!(found(text, &Context::default()), [expected], "{text:?}");
    check("winter of 1943", "winter of 1943 | winter 1943–44, 1940s | 1943-12-01..1944-02-29");
    check("winter 1943-44", "winter 1943-44 | winter 1943–44, 1940s | 1943-12-01..1944-02-29");
    check("the summer of 1883", "the summer of 1883 | summer 1883, 1880s | 1883-06-01..1883-08-31");
    check("Q3 2021", "Q3 2021 | Q3 2021, 2020s | 2021-07-01..2021-09-30");
    check("second quarter of 2021", "second quarter of 2021 | Q2 2021, 2020s | 2021-04-01..2021-06-30");
    check("Michaelmas 1702", "Michaelmas 1702 | Michaelmas 1702, 1700s | 1702-09-29..1702-09-29");
    check("Christmas 1943", "Christmas 1943 | Christmas 1943, 1940s | 1943-12-24..1943-12-26");
    check("Easter 1916", "Easter 1916 | Easter 1916, 1910s | 1916-04-21..1916-04-29");
    check("New Year's Eve, 1899", "New Year's Eve, 1899 | New Year's Eve 1899, 1890s | 1899-12-31..1899-12-31");
    check("late Victorian", "late Victorian | late Victorian era, 1870s to 1901 | 1870-01-01..1901-12-31");
    check("the Edwardian era", "the Edwardian era | Edwardian era, 1901 to 1910 | 1901-01-01..1910-12-31");
    check("World War II", "World War II | Second World War, 1939 to 1945 | 1939-09-01..1945-09-02");
    check("in WW1 he", "WW1 | First World War, 1914 to 1918 | 1914-07-28..1918-11-11");
    check("early Bronze Age", "early Bronze Age | early Bronze Age | -");
    check("the Ming dynasty", "the Ming dynasty | Ming dynasty, 1368 to 1644 | 1368-01-01..1644-12-31");
}

#[test]
fn ranges_and_open_ends_are_read() {
    let check = |text: &str, expected: &str| assert_eq!(found(text, &Context::default()), [expected], "{text:?}");
    check("from 1964 to 1965", "from 1964 to 1965 | 1964 to 1965, 1960s | 1964-01-01..1965-12-31");
    check("between 1964 and 1965", "between 1964 and 1965 | 1964 to 1965, 1960s | 1964-01-01..1965-12-31");
    check(
        "between May 1939 and June 1940",
        "between May 1939 and June 1940 | May 1939 to June 1940, 1930s to 1940s | 1939-05-01..1940-06-30",
    );
    check("Post World War II", "Post World War II | after the Second World War | 1945-09-03..9999-12-31");
    check("1950s–70s", "1950s–70s | 1950s to 1970s | 1950-01-01..1979-12-31");
    check("1914-18", "1914-18 | 1914 to 1918, 1910s | 1914-01-01..1918-12-31");
    check("1939-1945", "1939-1945 | 1939 to 1945, 1930s to 1940s | 1939-01-01..1945-12-31");
    check("1794-1796 - Thomas", "1794-1796 | 1794 to 1796, 1790s | 1794-01-01..1796-12-31");
    check("March to June 1988", "March to June 1988 | March to June 1988, 1980s | 1988-03-01..1988-06-30");
    check("since 1950", "since 1950 | since 1950 | 1950-01-01..9999-12-31");
    check("before 1900", "before 1900 | before 1900 | -009999-01-01..1899-12-31");
    check("after 1918", "after 1918 | after 1918 | 1919-01-01..9999-12-31");
    check("2016–present", "2016–present | since 2016 | 2016-01-01..9999-12-31");
    check("from 1950 onwards", "from 1950 onwards | since 1950 | 1950-01-01..9999-12-31");
    check("until the 1880s", "until the 1880s | until the 1880s | -009999-01-01..1889-12-31");
    check(
        "after the Second World War",
        "after the Second World War | after the Second World War | 1945-09-03..9999-12-31",
    );
}

#[test]
fn vague_expressions_stay_as_they_are_written() {
    let check = |text: &str, expected: &str| {
        assert_eq!(found(text, &Context::default()), [format!("{expected} | {} | -", expected.replace('\n', " "))]);
    };
    check("three days after the flood, they", "three days after the flood");
    check("three days\nafter the flood", "three days\nafter the flood");
    check("we built that winter", "that winter");
    check("he left last Tuesday, and", "last Tuesday");
    check("we sailed at dawn", "at dawn");
    check("it was before the war and", "before the war");
    check("on the third of March he", "the third of March");
    check("yours of the 3rd inst. came", "the 3rd inst.");
    check("the second winter of the blackout.", "the second winter of the blackout");
    check("three years after 1918", "three years after 1918");
    check("days between Christmas and Easter.", "between Christmas and Easter");
    check("not called for since Candlemas", "since Candlemas");
    check("as in March and so on", "March");
    check("two years later", "two years later");
}

#[test]
fn plain_words_and_numbers_are_left_alone() {
    let check = |text: &str| assert_eq!(found(text, &Context::default()), [""; 0], "{text:?}");
    check("1500 sheep and 1900 men");
    check("in 1500 sheep or of 1200 tons or to 1850 ft");
    check("room 1883, No. 1914, page 1850, pp. 1850-1860");
    check("1,900 tons at £1850 and $1999, a sum of £ 1850");
    check("1850 ft, 1850ft, 1850.5, 1850%, 18501");
    check("tel. 0171-1914-2020 or 555-1914 or 1800-555-1999");
    check("won 3-2, then 15-12 and 1:0");
    check("he may 12 times march on, and they march 1883 miles");
    check("May I go? March! Will you?");
    check("wait a second, one minute, the second house");
    check("Matthew 3:16, and Ps. 19:14, and Acts 2:1-13");
    check("a spring in the fall of man, a spring tide");
    check("in her eighties, temperatures in the eighties");
    check("his third century for the county");
    check("Sunday School in his Sunday collar");
    check("the Georgian language and Tudor Street");
    check("it stood at 1943");
    check("'20 sheep' and rock'43");
    check("a population of 1500.");
    check("divided by 1000? since the War of Jenkins");
    check("12 24-inch pans by 6.30");
}

#[test]
fn the_context_completes_what_is_cut_short() {
    let check = |context: &[&str], text: &str, expected: &str| {
        let context = Context::of(context.iter().copied());
        assert_eq!(found(text, &context).first().map(String::as_str), Some(expected), "{text:?} beside {context:?}");
    };
    let winter = "the winter of '43 | winter 1943–44, 1940s | 1943-12-01..1944-02-29";
    check(&["The fire of 1941"], "the winter of '43", winter);
    check(&["in 2005"], "the winter of '43", winter);
    check(&["in 1850"], "summer of ’43", "summer of ’43 | summer 1843, 1840s | 1843-06-01..1843-08-31");
    check(&["in 1879"], "in '83", "'83 | 1883, 1880s | 1883-01-01..1883-12-31");
    check(&["in 1850"], "the '70s, before 1883", "the '70s | 1870s, late 19th century | 1870-01-01..1879-12-31");
    check(&[], "the winter of '43", "the winter of '43 | winter 1943–44, 1940s | -");
    check(&["in 1905"], "the eighties", "the eighties | 1880s, late 19th century | 1880-01-01..1889-12-31");
    check(&["in 1999"], "the '80s", "the '80s | 1980s, late 20th century | 1980-01-01..1989-12-31");
    check(&[], "the eighties", "the eighties | 1980s, late 20th century | -");
    check(&["in 1905"], "in March it", "March | March | -");
    check(&[], "In March, of 1883", "March, of 1883 | March 1883, 1880s | 1883-03-01..1883-03-31");
    check(&[], "In March it burned. By 1883", "March | March 1883, 1880s | 1883-03-01..1883-03-31");
    check(&[], "In March it burned. In 1883 and in 1884", "March | March | -");
    check(&[], "In every March. In 1883", "every March | every March | -");
    check(&[], "On January 7 of the following year. In 1883", "January 7 | January 7 | -");
}

#[test]
fn quotes_are_read_with_words_to_spare() {
    let check = |quote: &str, text: &str, days: &str| {
        let read = read(quote, &Context::of(["Log of 1883"])).map(|when| (when.text, when.interval));
        let days = (!days.is_empty()).then(|| days.parse().expect("an interval"));
        assert_eq!(read, Some((text.to_owned(), days)), "{quote:?}");
    };
    check("on the third of March 1904", "3 March 1904, 1900s", "1904-03-03");
    check("At dusk  on Friday,", "At dusk on Friday", "");
    check("1914", "1914, 1910s", "1914");
    check("in March", "March 1883, 1880s", "1883-03");
    check("He had 1884 of them in 1885.", "1885, 1880s", "1885");
    check("the eighth day of the siege", "the eighth day of the siege", "");
    check("that evening", "that evening", "");
    check("3 March 1904, in the Edwardian era", "3 March 1904, 1900s", "1904-03-03");
    let none = |quote: &str| assert_eq!(super::read(quote, &Context::default()), None, "{quote:?}");
    none("");
    none("a large brass lamp");
    none("he may go");
}

#[test]
fn no_text_makes_the_reader_fail() {
    let nasty = concat!(
        "in 18\u{301}83 ’43 e\u{301}té 12\u{200d}🕰\u{fe0f}March 1883\u{202e}ﬁ ١٩٤٣ '٤٣ — ",
        "9999999999 BC\r\n\t44 BC. 0 BC 0000-00-00",
        " 31/12/2099 99/99/9999 the the of of Q0 2021 1 January 1 AD 2099-99 AD 9999 BC '00s מרץ 1883",
    );
    let starts: Vec<usize> = (0..=nasty.len()).filter(|at| nasty.is_char_boundary(*at)).collect();
    for (skip, start) in starts.iter().enumerate() {
        for end in &starts[skip..] {
            let text = &nasty[*start..*end];
            let mut last = 0;
            for ((from, to), when) in find(text, &Context::default()) {
                assert!(text.get(from..to).is_some_and(|span| !span.is_empty()), "{text:?} {from}..{to}");
                assert!(last <= from && !when.text.is_empty());
                last = to;
            }
            let _ = read(text, &Context::of([text]));
        }
    }
}

#[test]
fn time_grows_with_length_alone() {
    let check = |piece: &str, bytes: usize, most: usize| {
        let text = piece.repeat(bytes / piece.len());
        let began = std::time::Instant::now();
        let found = find(&text, &Context::default()).len();
        assert!(found <= most && began.elapsed().as_secs() < 30, "{piece:?}: {found} in {:?}", began.elapsed());
    };
    check("a", 1_000_000, 0);
    check("1", 1_000_000, 0);
    check("in in in ", 1_000_000, 0);
    check("'", 200_000, 0);
    check("early the ", 200_000, 0);
    check("from 1900 to ", 200_000, 20_000);
    check("1900-", 200_000, 1);
    check("Christmas ", 200_000, 0);
    check("twenty-", 200_000, 0);
    check("1883\n", 200_000, 0);
}
